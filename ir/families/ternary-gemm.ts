import {
  present,
  quantizedArgs,
  roundUp,
  rowArg,
  vectorArg,
  type WeightLayout,
  weightsArg,
  wholeArg,
} from "./contract/arguments.js";
import { TERNARY_BLOCKS } from "./contract/blocks.js";
import { defineFamily } from "./contract/family.js";
import { flag, floats, group, optional, real, size, type ValuesOf, word } from "./contract/params.js";
import { activations } from "./dense-gemm.js";

/** What ternary weights are multiplied with. `i8`: rows from quantize-rows or adaln-quantize. */
export const multiplied = word("i8", "bf16", "f32");

/**
 * Columns [0, columns/2) are heads of q, [columns/2, columns) of k: each head of `headDim` channels becomes
 * rope(rmsNorm(y)·weight) as in qk-norm-rope, after scales and bias. The others are stored as they are.
 * Arguments: headWeights[2·headDim] (q's, then k's), cos and sin [M, headDim/2].
 */
const heads = { columns: size, headDim: size, epsilon: real };

const params = {
  n: size,
  k: size,
  activations: multiplied,
  bias: flag,
  activation: activations,
  /** Gate and residual arguments are present. */
  gated: flag,
  /** Columns of heads of q and k are normalized and rotated; without activation and gate. */
  heads: optional(group(heads)),
  /** What `out` is stored in; f32 if absent. */
  out: optional(floats),
};
export type TernaryGemmParams = ValuesOf<typeof params>;
export type TernaryActivations = TernaryGemmParams["activations"];
export type TernaryHeads = ValuesOf<typeof heads>;

/** The part of the parameters that decides the device layout of the weights. */
export type TernaryLayout = Pick<TernaryGemmParams, "n" | "k" | "activations">;

/** The layout that unpack-trits makes and ternary-gemm reads. */
export function ternaryLayout({ n, k, activations: rows }: TernaryLayout): WeightLayout {
  const words = (language: keyof typeof TERNARY_BLOCKS) => {
    const block = TERNARY_BLOCKS[language][rows === "i8" ? "i8" : "float"];
    return (roundUp(n, block.channels) * roundUp(k, block.k)) / 16;
  };
  return {
    name: `ternary ${n} x ${k} for ${rows}`,
    words: { wat: words("wat"), wgsl: words("wgsl"), cuda: words("cuda") },
  };
}

/**
 * y[M, n] = activation(scales · (t[n, k] · x[M, k]) + bias), then residual + gate · y when gated.
 * With i8 rows the accumulator is the exact integer Σ u·q, u = t + 1, and
 * y = (f32(acc − rowSum) · rowScale) · scale + bias.
 */
export const ternaryGemm = defineFamily({
  params,
  args(p) {
    const { n, k, out = "f32" } = p;
    const pairs = (p.heads?.headDim ?? 0) / 2;
    return present([
      ...(p.activations === "i8" ? quantizedArgs(k) : [rowArg("x", p.activations, k)]),
      weightsArg("u32", ternaryLayout(p)),
      wholeArg("scales", "f32", n),
      p.bias && wholeArg("bias", "f32", n),
      p.gated && vectorArg("gate", n),
      p.gated && rowArg("residual", "f32", n),
      p.heads !== undefined && wholeArg("headWeights", "f32", 4 * pairs),
      p.heads !== undefined && rowArg("cos", "f32", pairs),
      p.heads !== undefined && rowArg("sin", "f32", pairs),
      rowArg("out", out, n, "write"),
    ]);
  },
  grid: ({ n }) => [n, "rows", 1],
  operations({ n, k, activations: rows }, launch) {
    return { [rows === "i8" ? "int8" : rows]: 2 * launch.rows * n * k };
  },
});

export const ternaryGemmSignature = ternaryGemm.signature;
