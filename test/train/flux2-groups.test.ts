/** A tiny random FLUX.2, guided by two passes, becomes ternary with a scale for each 32 inputs. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../compiler/calibrate/calibrate.js";
import { readTeacher } from "../../compiler/calibrate/teacher.js";
import { openCalibration } from "../../compiler/calibration/folder.js";
import { fileReader } from "../../compiler/file-reader.js";
import { calibratedModel } from "../../compiler/gptq/calibrated.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { ternarizedBy } from "../../compiler/passes/ternarize.js";
import { importAndRecognize } from "../../compiler/recognize/recognition.js";
import { batches } from "../../compiler/train/batches.js";
import { bindSizes } from "../../compiler/train/bind-sizes.js";
import { type DistillBlocksOptions, distillBlocks } from "../../compiler/train/blocks/distill-blocks.js";
import { mergeBlocks } from "../../compiler/train/blocks/merge.js";
import { type DistillOptions, distill } from "../../compiler/train/distill.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph } from "../../ir/graph/graph.js";
import { familyOf, roleOf } from "../../ir/models/index.js";
import { cli } from "../support/cli.js";
import { TINY2 } from "../support/flux2-builder.js";
import { promptIds, TEXT_TOKENS, textState, writeFlux2Pipeline } from "../support/flux2-pipeline.js";

const root = mkdtempSync(join(tmpdir(), "tritc-flux2-groups-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(root, { recursive: true });
});
const at = (...names: readonly string[]) => join(root, ...names);
/** Three groups in most rows; the last layers of blocks have a short one behind. */
const SIZE = { ...TINY2, axes: [12, 12, 12, 12], mlp: 100, doubles: 1, singles: 1 };
const GROUP = 32;
const HIDDEN = SIZE.heads * 48;

const options = (out: string, more: Partial<DistillOptions> = {}): DistillOptions => ({
  ...{ input: at("pipeline"), calibration: at("calibration"), out: at(out), group: GROUP },
  ...{ steps: 16, batch: 4, seed: 5, threads: 1 },
  ...more,
});
const drawing = (out: string) => ({
  ...{ input: at("pipeline"), out: at(out), prompts: ["red circle", "blue circle"], samples: 6, steps: 2 },
  ...{ resolution: { width: 8, height: 6 }, guidance: 2.5, batch: 4, threads: 1, moments: true },
});
const losses = new Map<string, readonly number[]>();
async function train(out: string, more: Partial<DistillOptions> = {}): Promise<readonly number[]> {
  const { losses: found } = await distill(options(out, more));
  losses.set(out, found);
  return found;
}

beforeAll(async () => {
  writeFlux2Pipeline(at("pipeline"), false, SIZE);
  await calibrate({ ...drawing("calibration"), negativePrompt: "blue" });
  await train("student");
});

/** Values of a graph's block weights by role: weights, or codes and scales. */
function valuesOf(graph: Graph): ReadonlyMap<string, readonly (readonly number[])[]> {
  return new Map(
    graph.nodes.flatMap(({ op, attrs, inputs }) => {
      if ((op !== "linear" && op !== "ternary-linear") || !isBlockRole(attrs.role)) return [];
      const values = inputs.slice(1, op === "linear" ? 2 : 3).map((id) => {
        const constant = graph.constants.get(id ?? "");
        return constant === undefined ? [] : Array.from(readConstant(constant, reader).data, Number);
      });
      return [[attrs.role ?? "", values] as const];
    }),
  );
}
const modelAt = (name: string) => importAndRecognize(at(name), reader);
/** As `compile` takes it. */
const ternaryAt = (name: string) => valuesOf(ternarizedBy(modelAt(name), reader, "exact", "auto"));
/** Inputs of a layer of a block. */
function widthOf(role: string): number {
  if (role === "single.0.out") return HIDDEN + SIZE.mlp;
  return role.endsWith(".down") ? SIZE.mlp : HIDDEN;
}
/** s·t, in groups. */
function product(role: string, [codes = [], scales = []]: readonly (readonly number[])[] = []) {
  const width = widthOf(role);
  const groups = Math.ceil(width / GROUP);
  expect(scales.length, role).toBe((codes.length / width) * groups);
  return codes.map(
    (t, i) => t * (scales[Math.floor(i / width) * groups + Math.floor((i % width) / GROUP)] ?? Number.NaN),
  );
}

describe("a calibration that is guided by two passes", () => {
  it("has what the model reads of the negative prompt, and is of that prompt alone", async () => {
    const { description, negative, read } = await openCalibration(at("calibration"));
    expect(description).toMatchObject({ negativePrompt: "blue", guidance: 2.5, textTokens: TEXT_TOKENS });
    const ids = promptIds(["blue"]);
    const width = SIZE.contextDim;
    const { context = new Float32Array(), pooled } = (await negative()) ?? {};
    expect(pooled?.length).toBe(0);
    expect(context.length).toBe(TEXT_TOKENS * width);
    for (let i = 0; i < context.length; i += 7) {
      const token = Math.floor(i / width);
      const state = textState(ids[token] ?? 0, token >= ids.length, i % width);
      expect(context[i]).toBeCloseTo(state, 5);
    }
    await expect(calibrate(drawing("calibration"))).rejects.toMatchObject({
      details: {
        code: "TRITC_E_CALIBRATION_DIFFERS",
        message: "the calibration here is another: its negativePrompt differs",
        ...{ expected: '""', found: '"blue"' },
      },
    });
    await calibrate({ ...drawing("plain"), moments: false });
    const plain = await openCalibration(at("plain"));
    expect((await plain.read(0)).context).toEqual((await read(0)).context);
    expect((await plain.read(0)).latents).not.toEqual((await read(0)).latents);
  });

  it("is learned from with the negative prompt too, in some of the samples", async () => {
    const teacher = readTeacher(
      { input: at("pipeline"), resolution: { width: 8, height: 6 }, textLength: undefined },
      reader,
    );
    const calibration = await openCalibration(at("calibration"));
    const size = 100;
    const symbols = { img_tokens: 12, txt_tokens: TEXT_TOKENS };
    const graph = bindSizes(teacher.graph, teacher.batchAxes, { batch: size, symbols });
    const geometry = familyOf(teacher.model).latents.geometry(6, 8, 2, 1);
    const noise = { size, seed: 3, logShift: 0, geometry };
    const inputs = await batches({ ...teacher, graph }, calibration, noise)(1);
    const id = graph.inputs.find((input) => roleOf(teacher.model, input) === "context") ?? "";
    const seen = inputs.get(id)?.data as Float32Array;
    const key = (context: Float32Array | undefined) => String(context);
    const texts = [(await calibration.negative())?.context];
    for (let i = 0; i < calibration.count; i++) texts.push((await calibration.read(i)).context);
    const kinds = texts.map(key);
    const found = Array.from({ length: size }, (_, i) =>
      kinds.indexOf(key(seen.slice((i * seen.length) / size, ((i + 1) * seen.length) / size))),
    );
    expect(found.every((kind) => kind >= 0)).toBe(true);
    const share = found.filter((kind) => kind === 0).length / size;
    expect(share).toBeGreaterThan(0.04);
    expect(share).toBeLessThan(0.22);
  });
});

describe("distill --group", () => {
  it("brings the student closer, from nearer than rows are", async () => {
    const [first = 0] = losses.get("student") ?? [];
    const [rows = 0] = await train("rows", { group: undefined, steps: 1 });
    expect(first).toBeLessThan(0.95 * rows);
    // The same batch, of the student as it is.
    const [last = 1] = await train("further", { start: at("student"), steps: 1 });
    expect(last).toBeLessThan(0.8 * first);
  });

  it("writes codes and scales that compile finds without loss", () => {
    const weights = valuesOf(modelAt("student"));
    const ternary = ternaryAt("student");
    expect([...weights.keys()].sort()).toEqual([...valuesOf(modelAt("pipeline")).keys()].sort());
    for (const [role, [values = []]] of weights) {
      expect(product(role, ternary.get(role)), role).toEqual(values);
    }
  });

  it("starts where GPTQ has rounded groups", async () => {
    const [first = 0] = await train("calibrated", { start: "calibrated", steps: 1 });
    expect(first).toBeLessThan(0.8 * (losses.get("student")?.[0] ?? 0));
    const { graph, prepare } = await calibratedModel(
      modelAt("pipeline"),
      at("calibration"),
      at("prepared"),
      GROUP,
    );
    await prepare({ reader, threads: 0, resume: true });
    const [rounded, student] = [valuesOf(graph), ternaryAt("calibrated")];
    for (const [role, [codes]] of rounded) expect(student.get(role)?.[0], role).toEqual(codes);
  });

  it("goes on from a model of groups, or of rows, and not from groups to rows", async () => {
    // A row of one scale is groups of one scale.
    const [divided = 0] = await train("divided", { start: at("rows"), steps: 1 });
    const [kept = 0] = await train("kept", { start: at("rows"), steps: 1, group: undefined });
    expect(divided / kept).toBeCloseTo(1, 5);
    await expect(train("refused", { start: at("student"), group: undefined })).rejects.toMatchObject({
      code: "TRITC_E_START",
      details: {
        expected: "rows of -s, 0 and s alone",
        remedy: expect.stringContaining("and --group as it has it"),
      },
    });
    await expect(train("refused", { start: at("student"), group: 64 })).rejects.toMatchObject({
      details: { code: "TRITC_E_START", expected: "groups of 64 of -s, 0 and s alone" },
    });
    await expect(train("refused", { group: 48 as 64 })).rejects.toMatchObject({ code: "TRITC_E_RANGE" });
    expect(readdirSync(root).filter((name) => name.includes("refused"))).toEqual([]);
  });

  it("trains the scales of groups on codes that stay", async () => {
    const [first = 0] = await train("scaled", { start: at("student"), stage: "scales" });
    const [last = 1] = await train("rescaled", { start: at("scaled"), stage: "scales", steps: 1 });
    expect(last).toBeLessThan(0.95 * first);
    const [before, after] = [ternaryAt("student"), ternaryAt("scaled")];
    for (const [role, [codes, scales]] of before) {
      expect(after.get(role)?.[0], role).toEqual(codes);
      expect(after.get(role)?.[1], role).not.toEqual(scales);
    }
  });

  it("trains blocks, in segments too", async () => {
    const blocks = (out: string, more: Partial<DistillBlocksOptions> = {}): DistillBlocksOptions => {
      const { onProgress: _, ...own } = options(out);
      return { ...own, states: 8, steps: 6, ...more };
    };
    for (const index of [1, 2]) {
      const { blocks: learned } = await distillBlocks(
        blocks(`segment-${index}`, { shard: { index, count: 2 } }),
      );
      for (const { before, after } of learned) expect(after).toBeLessThan(before);
    }
    const segments = [at("segment-1"), at("segment-2")];
    await mergeBlocks({ input: at("pipeline"), segments, out: at("merged") });
    const found = ternaryAt("merged");
    for (const [role, [codes, scales]] of ternaryAt("student")) {
      expect(found.get(role)?.[0]?.length, role).toBe(codes?.length);
      expect(found.get(role)?.[1]?.length, role).toBe(scales?.length);
    }
  });

  it("is an option of groups that there are", async () => {
    const given = [at("pipeline"), "--calibration", at("calibration"), "-o", at("refused")];
    const { code, stderr } = await cli(["distill", ...given, "--group", "48"]);
    expect(code).toBe(2);
    expect(stderr).toContain("expected: one of 32, 64, 128, 256");
  });
});

describe("compile --ternarize calibrated --group", () => {
  it("makes a bundle that has the groups, and verifies", async () => {
    const given = ["--ternarize", "calibrated", "--calibration", at("calibration"), "--resolution", "8x6"];
    const more = ["--target", "cpu", "--group", "32", "-o", at("bundle"), "--quiet"];
    const compiled = await cli(["compile", at("pipeline"), ...given, ...more]);
    expect([compiled.code, compiled.stderr]).toEqual([0, ""]);
    const verified = await cli(["verify", at("bundle")]);
    expect([verified.code, verified.stderr]).toEqual([0, ""]);
    const exported = await cli([
      ...["export-onnx", at("pipeline"), "--ternarize", "calibrated", "--calibration", at("calibration")],
      ...["--group", "32", "--weights", "4bit", "-o", at("exported"), "--quiet"],
    ]);
    expect([exported.code, exported.stderr]).toEqual([0, ""]);
    const { graph, prepare } = await calibratedModel(
      modelAt("pipeline"),
      at("calibration"),
      at("for-export"),
      GROUP,
    );
    await prepare({ reader, threads: 0, resume: true });
    const rounded = [...valuesOf(graph)].map(([role, parts]) => [role, [product(role, parts)]] as const);
    expect(valuesOf(modelAt("exported"))).toEqual(new Map(rounded));
  });
});
