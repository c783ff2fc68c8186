/** A two-layer regression with gradient, momentum and step count written by hand: a training step as small as they come. */
import type { StepProgram } from "../../compiler/train/engine/engine.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import { parseGraph } from "../../ir/graph/parse.js";
import type { Tensor } from "../../ir/tensor.js";
import { randomFloats } from "../support/random.js";

const graph = parseGraph(`
graph "regression" {
  input %w1: f32[5, 8]
  input %w2: f32[8, 3]
  input %m1: f32[5, 8]
  input %m2: f32[8, 3]
  input %narrow: bf16[3]
  input %count: i64[]
  input %x: f32[16, 5]
  input %t: f32[16, 3]
  input %rate: f32[]
  const %two: f32[] = [2]
  const %decay: f32[] = [0.9]
  const %norm: f32[] = [0.041666666666666664]
  const %one: i64[] = [1]
  const %rows: i64[1] = [0]
  %h: f32[...] = matmul(%x, %w1)
  %a: f32[...] = unary(%h) {"fn": "tanh"}
  %y: f32[16, 3] = matmul(%a, %w2)
  %d: f32[...] = binary(%y, %t) {"fn": "sub"}
  %sq: f32[...] = binary(%d, %d) {"fn": "mul"}
  %loss: f32[] = reduce(%sq) {"fn": "mean", "keepDims": false, "noopWithEmptyAxes": false}
  %d2: f32[...] = binary(%d, %two) {"fn": "mul"}
  %dy: f32[...] = binary(%d2, %norm) {"fn": "mul"}
  %aT: f32[...] = transpose(%a) {"perm": [1, 0]}
  %g2: f32[...] = matmul(%aT, %dy)
  %w2T: f32[...] = transpose(%w2) {"perm": [1, 0]}
  %da: f32[...] = matmul(%dy, %w2T)
  %aa: f32[...] = binary(%a, %a) {"fn": "mul"}
  %daaa: f32[...] = binary(%da, %aa) {"fn": "mul"}
  %dh: f32[...] = binary(%da, %daaa) {"fn": "sub"}
  %xT: f32[...] = transpose(%x) {"perm": [1, 0]}
  %g1: f32[...] = matmul(%xT, %dh)
  %k1: f32[...] = binary(%m1, %decay) {"fn": "mul"}
  %k2: f32[...] = binary(%m2, %decay) {"fn": "mul"}
  %m1.next: f32[5, 8] = binary(%k1, %g1) {"fn": "add"}
  %m2.next: f32[8, 3] = binary(%k2, %g2) {"fn": "add"}
  %s1: f32[...] = binary(%m1.next, %rate) {"fn": "mul"}
  %s2: f32[...] = binary(%m2.next, %rate) {"fn": "mul"}
  %w1.next: f32[5, 8] = binary(%w1, %s1) {"fn": "sub"}
  %w2.next: f32[8, 3] = binary(%w2, %s2) {"fn": "sub"}
  %bias: f32[3] = reduce(%dy, %rows) {"fn": "sum", "keepDims": false, "noopWithEmptyAxes": false}
  %wide: f32[3] = cast(%narrow) {"to": "f32"}
  %moved: f32[3] = binary(%wide, %bias) {"fn": "sub"}
  %narrow.next: bf16[3] = cast(%moved) {"to": "bf16"}
  %count.next: i64[] = binary(%count, %one) {"fn": "add"}
  output %loss, %y, %w1.next, %w2.next, %m1.next, %m2.next, %narrow.next, %count.next
}`);

export const REGRESSION: StepProgram = {
  graph,
  state: ["w1", "w2", "m1", "m2", "narrow", "count"].map((input) => ({ input, output: `${input}.next` })),
};

export const NO_FILES: ByteReader = {
  read: () => {
    throw new Error("there is no file");
  },
};

function floats(seed: number, shape: readonly number[], scale: number): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return { dtype: "f32", shape, data: randomFloats(seed, count, scale) };
}

const INITIAL: ReadonlyMap<string, Tensor> = new Map([
  ["w1", floats(1, [5, 8], 0.5)],
  ["w2", floats(2, [8, 3], 0.5)],
  ["m1", { dtype: "f32", shape: [5, 8], data: new Float32Array(40) }],
  ["m2", { dtype: "f32", shape: [8, 3], data: new Float32Array(24) }],
  ["narrow", { dtype: "bf16", shape: [3], data: Float32Array.of(1, -2.5, 0.5) }],
  ["count", { dtype: "i64", shape: [], data: BigInt64Array.of(0n) }],
]);

export function initial(id: string): Tensor {
  const tensor = INITIAL.get(id);
  if (tensor === undefined) throw new Error(`no ${id}`);
  return tensor;
}

/** What step `step` is fed: a batch, and a rate that falls. */
export function feeds(step: number): ReadonlyMap<string, Tensor> {
  return new Map([
    ["x", floats(100 + step, [16, 5], 1)],
    ["t", floats(9000 + (step % 4), [16, 3], 1)],
    ["rate", { dtype: "f32", shape: [], data: Float32Array.of(0.2 / (1 + step)) }],
  ]);
}
