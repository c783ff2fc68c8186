/** `compile --ternarize calibrated` of a tiny random transformer behind the shapes model's text encoders. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../compiler/calibrate/calibrate.js";
import { linearInputs } from "../../compiler/calibrate/moments-graph.js";
import { type Calibration, type InputMoments, openCalibration } from "../../compiler/calibration/folder.js";
import { MOMENTS_FILE } from "../../compiler/calibration/moments.js";
import { type CompileOptions, type CompileProgress, compileModel } from "../../compiler/compile.js";
import { type FileReader, fileReader } from "../../compiler/file-reader.js";
import { calibratedModel } from "../../compiler/gptq/calibrated.js";
import { factorMoments } from "../../compiler/gptq/factor.js";
import { quantizeRows } from "../../compiler/gptq/gptq.js";
import { planModel } from "../../compiler/gptq/plan-model.js";
import { relativeError } from "../../compiler/gptq/relative-error.js";
import { openGptqPool } from "../../compiler/gptq/workers.js";
import { importModel } from "../../compiler/import-model.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { ternarizedBy } from "../../compiler/passes/ternarize.js";
import { recognize } from "../../compiler/recognize/recognition.js";
import { residualModel } from "../../compiler/residual/residual.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph } from "../../ir/graph/graph.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { expectedMoments } from "../calibrate/expected-moments.js";
import { cli } from "../support/cli.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { snapshot } from "../support/tree.js";
import { roundedWeights, sharedCopy } from "./reference.js";

const root = mkdtempSync(join(tmpdir(), "tritc-calibrated-"));
afterAll(() => rmSync(root, { recursive: true }));
const at = (...path: string[]) => join(root, ...path);

let graph: Graph;
let calibration: Calibration;
let reader: FileReader;
beforeAll(async () => {
  writePipeline(at("pipeline"));
  mkdirSync(at("pipeline", "transformer"));
  writeTransformer(at("pipeline", "transformer", "model.onnx"), 64);
  await calibrate({
    ...{ input: at("pipeline"), out: at("calibration"), threads: 1, moments: true },
    ...{ prompts: ["a photo of a red circle", "a photo of a blue ring"], steps: 2, batch: 1, seed: 4 },
  });
  reader = fileReader();
  graph = recognize(importModel(at("pipeline")), reader);
  calibration = await openCalibration(at("calibration"));
});
afterAll(() => reader.close());

const options = (out: string, more: Partial<CompileOptions> = {}): CompileOptions => ({
  ...{ input: at("pipeline"), out: at(out), target: "cpu", ternarize: "calibrated", activations: "f32" },
  ...{ calibration: at("calibration"), threads: 0 },
  ...more,
});

/** Parameters of a graph's block linears, by role. */
function parametersOf(of: Graph): Map<string, readonly Float32Array[]> {
  const values = (id: string | null | undefined) => {
    const constant = of.constants.get(id ?? "");
    return constant === undefined
      ? new Float32Array()
      : Float32Array.from(readConstant(constant, reader).data, Number);
  };
  return new Map(
    of.nodes.flatMap(({ op, attrs, inputs }) => {
      if ((op !== "linear" && op !== "ternary-linear") || !isBlockRole(attrs.role)) return [];
      return [[attrs.role ?? "", inputs.slice(1).map(values)] as const];
    }),
  );
}

function exactly(weights: Float32Array, k: number): Float32Array {
  const codes = new Int8Array(weights.length);
  const scales = Array.from({ length: weights.length / k }, (_, r) =>
    ternarizeRow(weights.subarray(r * k, (r + 1) * k), "exact", codes.subarray(r * k, (r + 1) * k)),
  );
  return roundedWeights(codes, scales);
}

/** The share of elements that are equal. */
function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).filter((value, i) => value === b[i]).length / a.length;
}

describe("calibrated ternary weights", () => {
  it("are exported as they are compiled", async () => {
    const command = ["export-onnx", at("pipeline"), "-o", at("exported"), "--ternarize", "calibrated"];
    const more = ["--calibration", at("calibration"), "--weights", "4bit", "--quiet"];
    const { code, stderr } = await cli([...command, ...more]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const model = await calibratedModel(graph, at("calibration"), at("for-export"));
    await model.prepare({ reader, threads: 0, resume: true });
    const expected = [...parametersOf(model.graph)].map(([role, [codes = [], scales = [], bias]]) => {
      return [role, [roundedWeights(Int8Array.from(codes), scales), bias]] as const;
    });
    expect(expected.length).toBeGreaterThan(20);
    expect(parametersOf(recognize(importModel(at("exported")), reader))).toEqual(new Map(expected));
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
    const alone = await cli(command);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("TRITC_E_CALIBRATION");
  });

  it("are those of GPTQ with what the interpreter says that layers read, and lose less than exact ones", async () => {
    const model = await calibratedModel(graph, at("calibration"), at("prepared"));
    const report = await model.prepare({ reader, threads: 2, resume: true });
    const [before, after] = [parametersOf(graph), parametersOf(model.graph)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    expect(report.map(({ role }) => role).sort()).toEqual([...before.keys()].sort());
    expect(before.has("single.1.modulation")).toBe(true);

    const moments = await expectedMoments(graph, { pipeline: at("pipeline"), calibration });
    const pool = openGptqPool(0);
    const errors: (readonly [number, number])[] = [];
    for (const { id, width: k, roles } of linearInputs(graph)) {
      const { second = new Float64Array(), mean = new Float64Array() } = moments.get(id) ?? {};
      const factor = await factorMoments(pool, { layer: id, k, matrix: sharedCopy(second), mean });
      for (const role of roles) {
        const [weights = new Float32Array(), bias = new Float32Array()] = before.get(role) ?? [];
        const [codes = [], scales = [], shifted = []] = after.get(role) ?? [];
        const expected = await quantizeRows(pool, factor, { name: role, weights, bias });
        // Sums in f32 and in f64 may fall on two sides of a tie, and what follows in that row with it.
        expect(agreement(codes, expected.codes), role).toBeGreaterThan(0.98);
        const error = relativeError(weights, roundedWeights(Int8Array.from(codes), scales), second);
        expect(report.find((layer) => layer.role === role)?.error).toBeCloseTo(error, 3);
        errors.push([error, relativeError(weights, exactly(weights, k), second)]);
        const rows = Array.from(scales).map((scale, r) => [scale, shifted[r] ?? Number.NaN] as const);
        const near = rows.filter(
          ([scale, b], r) =>
            Math.abs(scale - (expected.scales[r] ?? 0)) < 1e-4 * scale &&
            Math.abs(b - (expected.bias?.[r] ?? 0)) < 1e-4,
        );
        expect(near.length / rows.length, role).toBeGreaterThan(0.9);
      }
    }
    expect(errors.filter(([own, exact]) => !(own < exact))).toEqual([]);
    const mean = (i: 0 | 1) => errors.reduce((sum, error) => sum + error[i], 0) / errors.length;
    expect(mean(0)).toBeLessThan(0.5 * mean(1));
  });

  it("are the same bits for any number of threads, and kept of the same moments alone", async () => {
    const before = readFileSync(at("prepared", "weights"));
    cpSync(at("calibration"), at("touched"), { recursive: true });
    utimesSync(at("touched", MOMENTS_FILE), 1e9, 1e9);
    const firstRows: number[] = [];
    for (const moments of ["calibration", "touched"]) {
      const done: number[] = [];
      const model = await calibratedModel(graph, at(moments), at("prepared"));
      await model.prepare({ reader, threads: 0, resume: true, onProgress: (rows) => done.push(rows) });
      firstRows.push(done[0] ?? Number.NaN);
      expect(readFileSync(at("prepared", "weights")).equals(before)).toBe(true);
    }
    const all = [...parametersOf(graph).values()].reduce((sum, [, bias]) => sum + (bias?.length ?? 0), 0);
    expect(firstRows).toEqual([all, 0]);
  });

  it("make a bundle that verifies, and the same after a stop", async () => {
    const whole = await compileModel(options("bundle"));
    const { code, stderr } = await cli(["verify", at("bundle")]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const manifest = JSON.parse(readFileSync(at("bundle", "manifest.json"), "utf8"));
    expect(manifest.options.ternarize).toBe("calibrated");
    expect(whole.calibrated.length).toBe(parametersOf(graph).size);
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);

    const stop = new AbortController();
    const until = ({ phase, done, total }: CompileProgress) => {
      if (phase === "calibrating" && 2 * done > total) stop.abort(new Error("stopped"));
    };
    const stopped = compileModel(options("stopped", { signal: stop.signal, onProgress: until }));
    await expect(stopped).rejects.toThrow("stopped");
    expect(existsSync(at("stopped"))).toBe(false);
    const [done, notices]: [number[], string[]] = [[], []];
    const onNotice = (text: string) => notices.push(text);
    const onProgress = (now: CompileProgress) => now.phase === "calibrating" && done.push(now.done);
    const report = await compileModel(options("stopped", { onProgress, onNotice }));
    expect(done[0]).toBeGreaterThan(0);
    expect(notices).toEqual([expect.stringMatching(/^\d+ of \d+ layers are calibrated already$/)]);
    expect(report.calibrated).toEqual(whole.calibrated);
    expect(snapshot(at("stopped"))).toEqual(snapshot(at("bundle")));
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("branches beside them", () => {
  it.each(["exact", "calibrated"] as const)(
    "lose less the larger their rank, with a bias for the rest of the mean: %s",
    async (method) => {
      const calibrated = await calibratedModel(graph, at("calibration"), at("prepared"));
      await calibrated.prepare({ reader, threads: 0, resume: true });
      const ternary = method === "exact" ? ternarizedBy(graph, reader, "exact") : calibrated.graph;
      const originals = parametersOf(graph);
      const moments = await calibration.moments();
      const before = new Map<string, number>();
      for (const rank of [1, 3, 6, 12]) {
        const prepared = at(`${method}-${rank}`);
        const options = { rank, calibration: at("calibration"), prepared };
        const model = await residualModel(graph, ternary, options);
        await model.prepare({ reader, threads: 0, resume: true });
        const branches = new Map([...model.branches.values()].map((branch) => [branch.role, branch]));
        expect([...branches.keys()].sort()).toEqual([...originals.keys()].sort());
        const parameters = parametersOf(model.graph);
        for (const { width: k, roles, read } of moments) {
          const { matrix, mean } = await read();
          const beside = matrix.map((v, i) => v - (mean[Math.floor(i / k)] ?? 0) * (mean[i % k] ?? 0));
          for (const role of roles) {
            const [weights = new Float32Array(), bias] = originals.get(role) ?? [];
            const [codes = [], scales = [], shifted] = parameters.get(role) ?? [];
            const { up, down } = branches.get(role) ?? {};
            if (up === undefined || down === undefined) throw new Error(`no branch of ${role}`);
            const rounded = roundedWeights(Int8Array.from(codes), scales);
            const [u, v] = [up, down].map((constant) => readConstant(constant, reader).data);
            const whole = rounded.map((value, i) => {
              let sum = value;
              for (let r = 0; r < rank; r++)
                sum += Number(u?.[Math.floor(i / k) * rank + r]) * Number(v?.[r * k + (i % k)]);
              return sum;
            });
            const error = relativeError(weights, whole, beside);
            const last = before.get(role) ?? relativeError(weights, rounded, beside);
            expect(error, `${role} at rank ${rank}`).toBeLessThan(last * 1.001);
            before.set(role, error);
            let lost = bias?.[0] ?? 0;
            for (let j = 0; j < k; j++) lost += ((weights[j] ?? 0) - (whole[j] ?? 0)) * (mean[j] ?? 0);
            expect(shifted?.[0]).toBeCloseTo(lost, 5);
          }
        }
      }
    },
  );

  it("make a bundle that verifies, and the same after a stop", async () => {
    const more = { residualRank: 4 };
    await compileModel(options("branched", more));
    const { code, stderr } = await cli(["verify", at("branched")]);
    expect([code, stderr]).toEqual([0, ""]);
    const stop = new AbortController();
    const until = ({ phase, done, total }: CompileProgress) => {
      if (phase === "branches" && 2 * done > total) stop.abort(new Error("stopped"));
    };
    const stopped = compileModel(options("halted", { ...more, signal: stop.signal, onProgress: until }));
    await expect(stopped).rejects.toThrow("stopped");
    const [done, notices]: [number[], string[]] = [[], []];
    const onNotice = (text: string) => notices.push(text);
    const onProgress = (now: CompileProgress) => now.phase === "branches" && done.push(now.done);
    await compileModel(options("halted", { ...more, onProgress, onNotice }));
    expect(done[0]).toBeGreaterThan(0);
    expect(notices).toEqual([
      expect.stringMatching(/^(\d+) of \1 layers are calibrated already$/),
      expect.stringMatching(/^\d+ of \d+ layers are supplied with a branch already$/),
    ]);
    expect(snapshot(at("halted"))).toEqual(snapshot(at("branched")));
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it.each<readonly [string, Partial<CompileOptions>, string]>([
    ["dense weights", { ternarize: "none", calibration: undefined, residualRank: 4 }, "--ternarize none"],
    ["a rank that is no number of directions", { residualRank: 1.5 }, "1.5"],
    ["a rank that no layer is large enough for", { residualRank: 4096 }, "4096"],
  ])("are refused for %s", async (_, more, found) => {
    await expect(compileModel(options("refused", more))).rejects.toMatchObject({
      details: { code: "TRITC_E_RESIDUAL_RANK", exitCode: 2, found },
    });
    expect(readdirSync(root).filter((name) => name.includes("refused"))).toEqual([]);
  });
});

describe("calibrated ternary weights are refused", () => {
  it.each<readonly [string, Partial<CompileOptions>, string]>([
    ["without a calibration", { calibration: undefined }, "--ternarize calibrated alone"],
    ["where others are wanted", { ternarize: "exact" }, "--ternarize exact"],
    ["with adapters", { lora: [{ file: "a", scale: 1 }] }, "adapters, which change what its layers read"],
    [
      "with adapters, for branches",
      { ternarize: "exact", residualRank: 2, lora: [{ file: "a", scale: 1 }] },
      "adapters, which change what its layers read",
    ],
  ])("%s", async (_, more, found) => {
    await expect(compileModel(options("refused", more))).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", exitCode: 2, found },
    });
  });

  it("with a calibration of another model, or without moments", async () => {
    await expect(compileModel(options("refused", { input: "test/models/shapes" }))).rejects.toMatchObject({
      details: { message: "the calibration is of another model" },
    });
    cpSync(at("calibration"), at("plain"), { recursive: true });
    rmSync(at("plain", MOMENTS_FILE));
    await expect(compileModel(options("refused", { calibration: at("plain") }))).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", message: "the moments of this calibration are not complete" },
    });
    expect(readdirSync(root).filter((name) => name.includes("refused"))).toEqual([]);
  });

  it("with a layer that has no moments, or those of another width", async () => {
    const all = await calibration.moments();
    const without = (role: string): readonly InputMoments[] =>
      all.map((input) => ({ ...input, roles: input.roles.filter((own) => own !== role) }));
    const file = { file: at("nothing"), calibration: at("calibration") };
    expect(() => planModel(graph, without("double.0.txt.k"), file)).toThrow("the layer double.0.txt.k reads");
    const wide = all.map((input) => ({ ...input, width: input.width + 1 }));
    expect(() => planModel(graph, wide, file)).toThrow("does not say what the layer");
  });
});
