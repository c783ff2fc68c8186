import { binary, input, unary } from "../../../ir/families/expression.js";
import type { Family, FamilyParams } from "../../../templates/index.js";
import { randomFloats, randomInts } from "../random.js";
import { EXACT, type Tolerance } from "./check.js";
import type { Problem } from "./operands.js";

export interface Given {
  readonly name: string;
  readonly problem: Problem;
  readonly tolerance: Tolerance;
}

const F32: Tolerance = { absolute: 2e-5, relative: 2e-5 };
/** Results with 8 significant bits. */
const BF16: Tolerance = { absolute: 8e-3, relative: 8e-3 };
/** Scores of int8 codes. */
const CODES: Tolerance = { absolute: 0.05, relative: 0.03 };
/** Sums over long rows of products near 1. */
const LONG: Tolerance = { absolute: 2e-3, relative: 1e-4 };

function given<F extends Family>(
  name: string,
  family: F,
  params: FamilyParams[F],
  tolerance: Tolerance,
  launch: Omit<Problem, "family" | "params">,
): Given {
  return { name, problem: { family, params, ...launch } as never, tolerance };
}

const plain = { activation: "none", bias: false, gated: false } as const;
const ended = { activation: "gelu-tanh", bias: true, gated: true } as const;

/** Of each a size that divides all tiles and one that divides none; rows at a distance that allows vectors and not. */
const GEMMS: readonly Given[] = [
  given("int8 rows, whole tiles", "ternary-gemm", { ...plain, n: 256, k: 256, activations: "i8" }, EXACT, {
    rows: 256,
  }),
  given("int8 rows", "ternary-gemm", { ...plain, n: 329, k: 300, activations: "i8" }, EXACT, {
    rows: 147,
    apart: 1,
  }),
  given("int8 rows with an end", "ternary-gemm", { ...ended, n: 200, k: 700, activations: "i8" }, LONG, {
    rows: 65,
  }),
  given(
    "int8 rows stored in bf16",
    "ternary-gemm",
    { ...ended, gated: false, n: 136, k: 136, activations: "i8", out: "bf16" },
    BF16,
    { rows: 131 },
  ),
  given(
    "int8 rows with heads",
    "ternary-gemm",
    {
      ...{ ...plain, bias: true, n: 384, k: 136, activations: "i8" },
      heads: { headDim: 128, columns: 256, epsilon: 1e-6 },
    },
    LONG,
    { rows: 70 },
  ),
  given("long int8 rows", "ternary-gemm", { ...plain, n: 329, k: 2120, activations: "i8" }, EXACT, {
    rows: 147,
    apart: 1,
  }),
  given(
    "long int8 rows with heads",
    "ternary-gemm",
    {
      ...{ ...plain, bias: true, n: 384, k: 1100, activations: "i8" },
      heads: { headDim: 128, columns: 256, epsilon: 1e-6 },
    },
    LONG,
    { rows: 70 },
  ),
  given("int8 groups", "ternary-gemm", { ...plain, n: 200, k: 300, activations: "i8", group: 64 }, EXACT, {
    rows: 131,
  }),
  given(
    "int8 groups, whole tiles",
    "ternary-gemm",
    { ...plain, n: 256, k: 512, activations: "i8", group: 256 },
    EXACT,
    { rows: 128 },
  ),
  given("bf16 rows", "ternary-gemm", { ...plain, n: 200, k: 264, activations: "bf16" }, LONG, { rows: 131 }),
  given("bf16 rows, whole tiles", "ternary-gemm", { ...plain, n: 256, k: 256, activations: "bf16" }, LONG, {
    rows: 128,
    apart: 1,
  }),
  given("long bf16 rows", "ternary-gemm", { ...ended, n: 200, k: 1100, activations: "bf16" }, LONG, {
    rows: 131,
  }),
  given("bf16 groups", "ternary-gemm", { ...ended, n: 136, k: 200, activations: "bf16", group: 32 }, LONG, {
    rows: 65,
  }),
  given("f32 rows", "ternary-gemm", { ...ended, n: 136, k: 70, activations: "f32" }, LONG, { rows: 65 }),
  given("dense", "dense-gemm", { ...ended, n: 200, k: 70 }, LONG, { rows: 71, apart: 1 }),
  given("dense, whole tiles", "dense-gemm", { ...plain, n: 256, k: 64 }, LONG, { rows: 128 }),
  given("dense, few rows", "dense-gemm", { ...plain, n: 72, k: 300 }, LONG, { rows: 3 }),
  given("batched product", "matmul", {}, LONG, {
    rows: 2 * 70,
    // batch, m, n, k, strides of a, b and out
    scalars: [2, 70, 50, 37, 70 * 37, 37, 1, 37 * 50, 50, 1, 70 * 50, 50],
  }),
];

const attention = (params: Partial<FamilyParams["attention"]>) =>
  ({ heads: 2, headDim: 64, scale: 0.125, ...params }) as const;

const ATTENTION: readonly Given[] = [
  given("heads of 128", "attention", attention({ headDim: 128, storage: "bf16" }), BF16, {
    rows: 130,
    scalars: [300],
  }),
  given("heads of 128, whole tiles", "attention", attention({ headDim: 128, storage: "bf16" }), BF16, {
    rows: 128,
    scalars: [256],
    apart: 1,
  }),
  given("heads of 64", "attention", attention({ storage: "bf16" }), BF16, { rows: 70, scalars: [131] }),
  given("scores of codes", "attention", attention({ storage: "bf16", int8: true }), CODES, {
    rows: 131,
    scalars: [70],
  }),
  given("attention in f32", "attention", attention({}), F32, { rows: 70, scalars: [131] }),
];

const shared = { epsilon: 1e-6 } as const;

const ROWS: readonly Given[] = [
  given("adaln", "adaln", { c: 1030, ...shared }, LONG, { rows: 19, apart: 1 }),
  given(
    "adaln-quantize",
    "adaln-quantize",
    { c: 1024, ...shared },
    { absolute: 1.01, relative: 0 },
    {
      rows: 33,
    },
  ),
  given("quantize-rows", "quantize-rows", { c: 1003 }, EXACT, { rows: 19, apart: 1 }),
  given("quantize-rows of bf16", "quantize-rows", { c: 4096, x: "bf16" }, EXACT, { rows: 8 }),
  given(
    "qk-norm-rope",
    "qk-norm-rope",
    { heads: 3, headDim: 128, norm: true, ...shared, weight: true, rope: true },
    F32,
    { rows: 19 },
  ),
  given("layer-norm", "layer-norm", { c: 516, ...shared, scale: true, bias: true }, LONG, { rows: 19 }),
  given("gather", "gather", { c: 260 }, EXACT, {
    rows: 19,
    scalars: [31],
    values: { indices: (count) => randomInts(3, count, -31, 30) },
  }),
  given("reduce", "reduce", { fn: "mean" }, LONG, { rows: 19, scalars: [301] }),
  given("softmax", "softmax", { log: false }, F32, { rows: 19, scalars: [301] }),
  given("rope-table", "rope-table", { axesDims: [8, 12, 12], theta: 10000, frequencies: null }, LONG, {
    rows: 37,
  }),
  given(
    "timestep-embedding",
    "timestep-embedding",
    { dim: 130, factor: 10, maxPeriod: 10000, shift: 0, sinFirst: false, frequencies: null },
    LONG,
    { rows: 3 },
  ),
  given(
    "elementwise",
    "elementwise",
    {
      rank: 2,
      inputs: ["f32", "f32"],
      output: "f32",
      expression: binary("add", input(0), unary("tanh", input(1))),
    },
    F32,
    { rows: 19 * 301, scalars: [19, 301, 301, 1, 301, 1, 301, 1] },
  ),
];

const conv = {
  ...{ n: 70, c: 20, kernelY: 3, kernelX: 3, stride: 1, top: 1, left: 1, upsample: 1 },
  bias: true,
  residual: true,
} as const;

const PICTURES: readonly Given[] = [
  given("convolution", "image-conv", conv, LONG, { rows: 9 * 11, scalars: [9, 11, 9, 11, 0] }),
  given("convolution, whole tiles", "image-conv", { ...conv, n: 128, c: 32 }, LONG, {
    rows: 64,
    scalars: [8, 8, 8, 8, 0],
  }),
  given("channel-moments", "channel-moments", { c: 40, parts: 8 }, LONG, { rows: 8, scalars: [301, 0] }),
  given("group-factors", "group-factors", { groups: 4, channels: 10, parts: 8, epsilon: 1e-3 }, LONG, {
    rows: 4,
    scalars: [301],
    // Means, and sums of squares, which are not negative.
    values: { moments: (count) => randomFloats(9, count).map((x, i) => (i % 80 < 40 ? x : 40 + x)) },
  }),
  given("group-norm", "group-norm", { c: 41, activation: "silu" }, LONG, { rows: 133 }),
];

/** Problems of every family that a step has kernels of. */
export const PROBLEMS: readonly Given[] = [...GEMMS, ...ATTENTION, ...ROWS, ...PICTURES];
