/** Models of changed structure, from fixed seeds: refused in an orderly way, or computed alike by interpreter and kernels. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkpointSeed, fuzzModels, onnxSeed } from "../../benchmarks/fuzz/models.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { TINY } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import { randomGraph } from "../support/random-graph.js";

/** Shape arithmetic, a branch and a loop, as exporters write them. */
const ARITHMETIC = model({
  inputs: [value("x", "f32", ["n", "m", 8]), value("flag", "bool", [])],
  outputs: [value("y", "f32"), value("z", "f32")],
  initializers: [
    tensor("one", "i64", [], [1]),
    tensor("axis", "i64", [1], [0]),
    tensor("tail", "i64", [2], [2, 4]),
    tensor("parts", "i64", [2], [1, 1]),
    tensor("w", "f32", [4, 3], [1, 0, 2, 0, 1, 3, 2, 2, 1, 1, 0, 1]),
  ],
  nodes: [
    node("Shape", ["x"], ["s"]),
    node("Gather", ["s", "one"], ["count"], { axis: { i: 0 } }),
    node("Unsqueeze", ["count", "axis"], ["rows"]),
    node("Concat", ["axis", "rows", "tail"], ["shape"], { axis: { i: 0 } }),
    node("Reshape", ["x", "shape"], ["heads"], { allowzero: { i: 0 } }),
    node("Split", ["heads", "parts"], ["a", "b"], { axis: { i: 2 } }),
    node("MatMul", ["a", "w"], ["p"]),
    node("Softmax", ["p"], ["q"], { axis: { i: -1 } }),
    node("Transpose", ["b"], ["t"], { perm: { ints: [0, 1, 3, 2] } }),
    node("Slice", ["t", "axis", "one1"], ["c"]),
    node("ReduceMean", ["q"], ["y"], { axes: { ints: [1] }, keepdims: { i: 1 } }),
    node("Mul", ["t", "t"], ["z"]),
    node("Constant", [], ["one1"], { value: { t: tensor("", "i64", [1], [1]) } }),
  ],
});
const { root } = modelFiles();
const SEEDS = [ARITHMETIC, ...[1, 2, 3, 4, 5, 6].map((seed) => randomGraph(seed, 8).bytes)];

let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 1 });
});
afterAll(() => device.close());

it("three hundred changed models", async () => {
  const { findings, evaluated, equal, refused } = await fuzzModels(SEEDS.map(onnxSeed), {
    cases: 300,
    first: 1,
    device,
  });
  expect(findings).toEqual([]);
  // The changes are mild enough that many models still run.
  expect(evaluated).toBeGreaterThan(30);
  expect(equal).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(100);
});

it("changed Diffusers folders", async () => {
  const size = { ...TINY, doubles: 1, singles: 1 };
  writeDiffusers(join(root, "model"), diffusersConfig(size), fluxModel(size).diffusers, 2);
  const seeds = [checkpointSeed(join(root, "model"))];
  const { findings, equal, refused } = await fuzzModels(seeds, { cases: 60, first: 1, device });
  expect(findings).toEqual([]);
  expect(equal).toBeGreaterThan(3);
  expect(refused).toBeGreaterThan(20);
});
