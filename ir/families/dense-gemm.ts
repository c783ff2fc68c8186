import { ACTIVATIONS } from "../ops/linears.js";
import {
  present,
  roundUp,
  rowArg,
  vectorArg,
  type WeightLayout,
  weightsArg,
  wholeArg,
} from "./contract/arguments.js";
import { DENSE_PANEL } from "./contract/blocks.js";
import { defineFamily } from "./contract/family.js";
import { flag, floats, optional, size, type ValuesOf, word } from "./contract/params.js";

export const activations = word(...ACTIVATIONS.oneOf);

const params = {
  n: size,
  k: size,
  activation: activations,
  bias: flag,
  /** Gate and residual arguments are present. */
  gated: flag,
  /** What `x` and `out` are stored in; f32 if absent. */
  x: optional(floats),
  out: optional(floats),
};
export type DenseGemmParams = ValuesOf<typeof params>;

/** The part of the parameters that decides the device layout of the weights. */
export type DenseLayout = Pick<DenseGemmParams, "n" | "k">;

/** The layout that unpack-dense makes and dense-gemm reads. */
export function denseLayout({ n, k }: DenseLayout): WeightLayout {
  const words = (panel: number) => k * roundUp(n, panel);
  return {
    name: `dense ${n} x ${k}`,
    words: { wat: words(DENSE_PANEL.wat), wgsl: words(DENSE_PANEL.wgsl), cuda: words(DENSE_PANEL.cuda) },
  };
}

/** y[M, n] = activation(x[M, k] · w[n, k]ᵀ + bias), then residual + gate · y when gated; arithmetic in f32. */
export const denseGemm = defineFamily({
  params,
  args: ({ n, k, bias, gated, x = "f32", out = "f32" }) =>
    present([
      rowArg("x", x, k),
      weightsArg("f32", denseLayout({ n, k })),
      bias && wholeArg("bias", "f32", n),
      gated && vectorArg("gate", n),
      gated && rowArg("residual", "f32", n),
      rowArg("out", out, n, "write"),
    ]),
  grid: ({ n }) => [n, "rows", 1],
  operations: ({ n, k }, { rows }) => ({ f32: 2 * rows * n * k }),
});

export const denseGemmSignature = denseGemm.signature;
