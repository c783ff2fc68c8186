/** A tiny random transformer behind the shapes model's text encoders, distilled for a few steps. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../compiler/calibrate/calibrate.js";
import { writeTransformer as writeFloats } from "../../compiler/calibrate/transformer.js";
import { sourceOf } from "../../compiler/calibration/source.js";
import { type FileReader, fileReader } from "../../compiler/file-reader.js";
import { calibratedModel } from "../../compiler/gptq/calibrated.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { importAndRecognize } from "../../compiler/recognize/recognition.js";
import { type DistillOptions, type DistillReport, distill } from "../../compiler/train/distill.js";
import type { TrainingProgress } from "../../compiler/train/engine/loop.js";
import { initialValues } from "../../compiler/train/initial-values.js";
import { modelStart } from "../../compiler/train/model-start.js";
import { parametersOf } from "../../compiler/train/parameters.js";
import { trainedOf } from "../../compiler/train/student.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { randomFloats } from "../support/random.js";
import { snapshot } from "../support/tree.js";

const root = mkdtempSync(join(tmpdir(), "tritc-distill-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
const options = (out: string, more: Partial<DistillOptions> = {}): DistillOptions => ({
  input: at("pipeline"),
  calibration: at("calibration"),
  out: at(out),
  ...{ steps: 24, batch: 4, seed: 5, threads: 1 },
  ...more,
});

let report: DistillReport;
beforeAll(async () => {
  const pipeline = writePipeline(at("pipeline"));
  mkdirSync(join(pipeline, "transformer"));
  writeTransformer(join(pipeline, "transformer", "model.onnx"), 64);
  await calibrate({
    ...{ input: pipeline, out: at("calibration"), threads: 1, batch: 4, samples: 6, steps: 2, moments: true },
    prompts: ["a photo of a red circle", "a photo of a blue ring"],
  });
  report = await distill(options("student"));
});

/** What a model predicts for numbers that no training saw. */
function predicted(path: string): Float32Array {
  const reader = fileReader();
  try {
    return resultOf(importAndRecognize(path, reader), reader);
  } finally {
    reader.close();
  }
}

function resultOf(graph: Graph, reader: FileReader): Float32Array {
  const inputs = new Map(
    graph.inputs.map((id, k): [string, Tensor] => {
      const { dtype, shape } = graph.types.get(id) ?? { dtype: "f32", shape: [] };
      const sizes = (shape ?? []).map((dim) =>
        typeof dim === "number" ? dim : dim === "img_tokens" ? 6 : 4,
      );
      const count = sizes.reduce((a, b) => a * b, 1);
      if (dtype === "i64") return [id, { dtype, shape: sizes, data: new BigInt64Array(count).fill(1n) }];
      return [id, { dtype: "f32", shape: sizes, data: randomFloats(k + 1, count, 0.5) }];
    }),
  );
  const [velocity] = interpret(graph, inputs, { reader }).values();
  return velocity?.data as Float32Array;
}

/** Of the blocks' weights, or the codes. */
function signsByRole(graph: Graph, reader: FileReader): ReadonlyMap<string, Float32Array> {
  return new Map(
    graph.nodes.flatMap(({ op, attrs, inputs }) => {
      const constant = graph.constants.get(inputs[1] ?? "");
      if ((op !== "linear" && op !== "ternary-linear") || !isBlockRole(attrs.role) || !constant) return [];
      return [
        [attrs.role ?? "", Float32Array.from(readConstant(constant, reader).data, Number).map(Math.sign)],
      ];
    }),
  );
}

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + (x - (b[i] ?? Number.NaN)) ** 2, 0) / a.length;
}

describe("distill", () => {
  it("loses less and less, and says what it did", () => {
    const { losses } = report;
    expect(losses.length).toBe(24);
    const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length;
    expect(mean(losses.slice(-6))).toBeLessThan(0.7 * mean(losses.slice(0, 6)));
    expect(report).toMatchObject({ samples: 6, steps: 24, batch: 4, out: at("student") });
    expect(report.ternaryWeights).toBeGreaterThan(10_000);
    expect(report.parameters).toBeGreaterThan(report.ternaryWeights);
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("writes a model whose block weights are s·t, row by row", () => {
    const reader = fileReader();
    const graph = importAndRecognize(at("student"), reader);
    let weights = 0;
    for (const node of graph.nodes) {
      if (node.op !== "linear" || !isBlockRole(node.attrs.role)) continue;
      const constant = graph.constants.get(node.inputs[1] ?? "");
      const { data, shape } = readConstant(constant as NonNullable<typeof constant>, reader);
      const [rows = 1, columns = 1] = shape;
      for (let r = 0; r < rows; r++) {
        const magnitudes = new Set(
          Array.from({ length: columns }, (_, c) => Math.abs(Number(data[r * columns + c]))),
        );
        magnitudes.delete(0);
        expect(magnitudes.size).toBeLessThanOrEqual(1);
      }
      weights += rows * columns;
    }
    expect(weights).toBe(report.ternaryWeights);
    reader.close();
  });

  it("comes closer to the model than its weights alone, ternary", async () => {
    const one = await distill(options("one", { steps: 1 }));
    expect(one.losses).toEqual(report.losses.slice(0, 1));
    const teacher = predicted(at("pipeline"));
    const [first, last] = [at("one"), at("student")].map((path) => distance(predicted(path), teacher));
    expect(last).toBeLessThan(0.9 * (first ?? 0));
  });

  it("starts within the cells of calibrated codes, closer to the model", async () => {
    const one = await distill(options("calibrated", { start: "calibrated", steps: 1 }));
    expect(one.losses[0]).toBeLessThan(0.7 * (report.losses[0] ?? 0));
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
    const reader = fileReader();
    const teacher = importAndRecognize(at("pipeline"), reader);
    const { graph, prepare } = await calibratedModel(teacher, at("calibration"), at("prepared"));
    await prepare({ reader, threads: 0, resume: true });
    const student = importAndRecognize(at("calibrated"), reader);
    // A step is shorter than the margin: no code has changed.
    const [expected, found] = [graph, student].map((of) => signsByRole(of, reader));
    expect(found?.size).toBeGreaterThan(20);
    expect(found).toEqual(expected);
    reader.close();
  });

  it("starts at a model that an earlier stage wrote, with all of its parameters", async () => {
    const reader = fileReader();
    const teacher = importAndRecognize(at("pipeline"), reader);
    const start = await modelStart(teacher, at("student"), { reader });
    const initial = initialValues(parametersOf(teacher).flatMap(trainedOf), reader, start);
    const constants = new Map(teacher.constants);
    for (const { id, constant, ternary } of parametersOf(teacher)) {
      const values = initial(ternary ? `${id}.latent` : `${id}.value`).data as Float32Array;
      const scales = ternary ? (initial(`${id}.scale`).data as Float32Array) : undefined;
      const columns = values.length / (scales?.length ?? 1);
      const effective = values.map((value, i) => {
        if (scales === undefined) return value;
        return Math.max(-1, Math.min(1, Math.round(value))) * (scales[Math.floor(i / columns)] ?? 0);
      });
      constants.set(id, {
        ...{ dtype: "f32", shape: constant.shape },
        source: { kind: "inline", bytes: new Uint8Array(effective.buffer) },
      });
    }
    expect(resultOf({ ...teacher, constants }, reader)).toEqual(predicted(at("student")));
    // The same weights are the same start, be they stored as codes or as floats.
    mkdirSync(at("floats"));
    const graph = importAndRecognize(at("student"), reader);
    await writeFloats({ graph, batchAxes: new Map() }, at("floats"), { reader });
    expect((await modelStart(teacher, at("floats"), { reader })).identity).toBe(start.identity);
    const source = sourceOf(graph, reader);
    expect(sourceOf(importAndRecognize(at("floats"), reader), reader)).toBe(source);
    expect(sourceOf(teacher, reader)).not.toBe(source);
    reader.close();

    const one = await distill(options("further", { start: at("student"), steps: 1 }));
    expect(one.losses[0]).toBeLessThan(0.7 * (report.losses[0] ?? 0));
  });

  it("trains scales and all else on the codes that it starts from", async () => {
    const scales = (out: string, more: Partial<DistillOptions> = {}) =>
      options(out, { start: at("student"), stage: "scales", ...more });
    const { losses, ternaryWeights, parameters } = await distill(scales("scaled"));
    const mean = (part: readonly number[]) => part.reduce((a, b) => a + b, 0) / part.length;
    expect(mean(losses.slice(-6))).toBeLessThan(0.95 * mean(losses.slice(0, 6)));
    expect(losses[0]).toBeLessThan(0.7 * (report.losses[0] ?? 0));
    expect(ternaryWeights).toBe(report.ternaryWeights);
    expect(parameters).toBe(report.parameters - ternaryWeights);
    const reader = fileReader();
    const [before, after] = ["student", "scaled"].map((name) => importAndRecognize(at(name), reader));
    const [codes, same] = [before, after].map((graph) => signsByRole(graph as Graph, reader));
    expect(codes?.size).toBeGreaterThan(20);
    expect(same).toEqual(codes);
    reader.close();
    const teacher = predicted(at("pipeline"));
    const [first = 0, last = 1] = ["student", "scaled"].map((name) => distance(predicted(at(name)), teacher));
    expect(last).toBeLessThan(first);

    const stop = new AbortController();
    const onProgress = ({ step }: TrainingProgress) => step === 9 && stop.abort(new Error("stopped"));
    await expect(distill(scales("scaled-2", { signal: stop.signal, onProgress }))).rejects.toThrow("stopped");
    // The codes themselves are another training.
    await expect(distill(options("scaled-2", { start: at("student") }))).rejects.toMatchObject({
      code: "TRITC_E_TRAINING_STATE",
    });
    await distill(scales("scaled-2"));
    expect(snapshot(at("scaled-2"))).toEqual(snapshot(at("scaled")));
  });

  it("refuses to start at what is not this model, ternary", async () => {
    const from = (start: string) => distill(options("refused", { start }));
    await expect(from(at("pipeline"))).rejects.toMatchObject({
      code: "TRITC_E_START",
      details: {
        message: "the model to start from is not ternary",
        place: `${at("pipeline")}: double.0.txt.modulation.weight`,
      },
    });
    await expect(from("test/models/shapes-ternary")).rejects.toMatchObject({
      code: "TRITC_E_START",
      details: { place: expect.stringContaining(": context_embedder.weight"), found: "[256, 128]" },
    });
    await expect(from(join(at("pipeline"), "vae_encoder"))).rejects.toMatchObject({
      code: "TRITC_E_NOT_FLUX",
    });
    await expect(from(at("nothing"))).rejects.toMatchObject({ code: "TRITC_E_MODEL_NOT_FOUND" });
    expect(readdirSync(root).filter((name) => name.includes("refused"))).toEqual([]);
  });

  it("goes on where it was stopped, to the same bytes", async () => {
    const stop = new AbortController();
    const notices: string[] = [];
    const stopped = distill(
      options("stopped", {
        signal: stop.signal,
        onProgress: ({ step }) => step === 9 && stop.abort(new Error("stopped")),
        onNotice: (text) => notices.push(text),
      }),
    );
    await expect(stopped).rejects.toThrow("stopped");
    expect(readdirSync(root)).not.toContain("stopped");
    expect(notices).toEqual([expect.stringContaining(`what is done is kept in ${at(".stopped.partial")}`)]);
    const state = snapshot(at(".stopped.partial"));
    for (const other of [{ steps: 25 }, { start: at("student") }]) {
      await expect(distill(options("stopped", other))).rejects.toMatchObject({
        code: "TRITC_E_TRAINING_STATE",
      });
    }
    expect(snapshot(at(".stopped.partial"))).toEqual(state);
    let first = 0;
    // Whichever has the lock.
    const again = () => distill(options("stopped", { onProgress: ({ step }) => (first ||= step) }));
    const both = await Promise.allSettled([again(), again()]);
    expect(first).toBe(10);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(both).toContainEqual(
      expect.objectContaining({ reason: expect.objectContaining({ code: "TRITC_E_OUT_BUSY" }) }),
    );
    expect(snapshot(at("stopped"))).toEqual(snapshot(at("student")));
  });

  it("refuses the calibration of another model, and leaves what is there", async () => {
    const before = snapshot(at("student"));
    const other = options("student", { input: "test/models/shapes" });
    await expect(distill(other)).rejects.toMatchObject({ code: "TRITC_E_CALIBRATION" });
    // Of the same sizes, but with other weights.
    const weights = {
      code: "TRITC_E_CALIBRATION",
      details: { message: "the calibration is of a model with other weights" },
    };
    const trained = options("student", { input: at("student"), pipeline: at("pipeline") });
    await expect(distill(trained)).rejects.toMatchObject(weights);
    const reader = fileReader();
    const graph = importAndRecognize(at("student"), reader);
    const { requireSource } = await calibratedModel(graph, at("calibration"), at("refused"));
    expect(() => requireSource(reader)).toThrow(weights.details.message);
    reader.close();
    await expect(distill(options("student", { calibration: at("nothing") }))).rejects.toMatchObject({
      code: "TRITC_E_CALIBRATION",
    });
    await expect(distill(options("calibration"))).rejects.toMatchObject({ code: "TRITC_E_OUT_EXISTS" });
    await expect(distill(options("student", { batch: 0 }))).rejects.toMatchObject({ code: "TRITC_E_RANGE" });
    expect(snapshot(at("student"))).toEqual(before);
  });
});
