import { type FluxStyle, TORCHSCRIPT } from "./flux-style.js";

/** The choices of every field that any exporter may combine. */
const CHOICES = {
  idType: ["i64", "f32", "i32"],
  idRank: [2, 3],
  weightType: ["f32", "f16", "bf16"],
  guidance: [true, false],
  linear: ["bias-first", "bias-last", "transposed", "gemm-flat"],
  vectorLinear: ["gemm", "matmul"],
  layerNorm: ["op", "expand", "plain-div", "reciprocal", "power"],
  rmsNorm: ["div", "one-over", "reciprocal", "power", "op", "contrib", "weight-inside"],
  gelu: ["cubes", "power", "op", "contrib", "half-first", "erf", "op-erf", "contrib-bias"],
  silu: ["sigmoid", "exp"],
  layout: ["bshd", "bhsd"],
  heads: ["shape", "zeros", "constant"],
  rotation: [
    "stack",
    "slice-squeeze",
    "split",
    "gather",
    "matrices",
    "matrix-product",
    "mul-first",
    "operator",
  ],
  repeat: ["stack", "expand", "tile", "gather", "mask"],
  table: ["einsum", "multiply", "double", "bent", "half"],
  attention: [
    "sqrt-scale",
    "divide",
    "scale-q",
    "scale-scores",
    "op",
    "contrib",
    "flat-heads",
    "nan-guard",
    "fused-matmul",
    "einsum",
  ],
  qkv: ["separate", "fused", "fused-split"],
  single: ["separate", "linear1", "linear1-parts"],
  singleTokens: ["joint", "split"],
  chunk: ["split", "slice", "shape-slice"],
  rowAxis: ["after", "before"],
  modulate: ["one-plus", "plus-one", "sum"],
  sinusoid: ["cos-first", "sin-first", "factor-late", "outside"],
  halfGuard: [false, true],
  idDrop: [false, true],
  casts: [false, true],
  skipNorm: [false, false, true],
} as const satisfies { readonly [K in keyof FluxStyle]?: readonly FluxStyle[K][] };

/** A style of random choices, at the lowest operator set that has its operators. */
export function randomStyle(uniform: () => number): FluxStyle {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(uniform() * list.length)] as T;
  const chosen = Object.fromEntries(
    Object.entries(CHOICES).map(([field, list]) => [field, pick<unknown>(list)]),
  );
  const style = { ...TORCHSCRIPT, ...(chosen as Partial<FluxStyle>) };
  const needs = [
    style.rmsNorm === "op" || style.attention === "op" || style.rotation === "operator" ? 23 : 13,
    style.gelu === "op" || style.gelu === "op-erf" ? 20 : 13,
    style.layerNorm === "op" || style.layerNorm === "expand" || style.rmsNorm === "contrib" || style.skipNorm
      ? 17
      : 13,
    style.linear === "gemm-flat" ? 15 : 13,
    pick([13, 18]),
  ];
  const inputs = [...style.inputs].sort(() => uniform() - 0.5);
  const named = inputs.map(([role], i) => [role, `in_${(i * 5 + 3) % 7}`] as const);
  const joint = { img: "a", txt: "b", imgIds: "a", txtIds: "b" };
  const apart = { img: "n", txt: "m", imgIds: "p", txtIds: "q" };
  return {
    ...style,
    inputs: named,
    output: "y",
    tokens: pick([joint, apart, null]),
    batch: pick(["batch_size", null]),
    axes: pick(["named", "named", "own", "unnamed"]),
    residuals: pick(["none", "none", "none", "inputs", "scaled", "stacked", "text"]),
    domains: ["com.microsoft"],
    opset: Math.max(...needs),
  };
}
