import { type Dim, divDims, type Shape } from "../dim.js";
import type { Operands } from "./operands.js";
import { type InferRules, sameAsFirst, tensor } from "./rules.js";

/** x[..., in] and weight[out, in] → [..., out] */
function projected(o: Operands, weight: number): Shape | null {
  const [x, w] = [o.shape(0), o.shape(weight)];
  if (x === null || w === null) return null;
  o.unify(x.at(-1) ?? 1, w[1] ?? 1, "input channels of the weight");
  return [...x.slice(0, -1), w[0] ?? 1];
}

/** Codes, row scales and row sums of x[..., C]. */
function quantized(o: Operands) {
  const shape = o.shape(0);
  const rows = shape?.slice(0, -1) ?? null;
  return [
    { dtype: "i8", shape },
    { dtype: "f32", shape: rows },
    { dtype: "i32", shape: rows },
  ] as const;
}

/** One frequency per channel pair, where they are given. */
function givenFrequencies(o: Operands, given: readonly number[] | null, pairs: Dim | undefined): void {
  if (given !== null && given.length !== pairs) {
    o.fail(`one frequency per channel pair (${pairs ?? "an even number of channels"})`, `${given.length}`);
  }
}

export const MODEL: InferRules<
  | "linear"
  | "ternary-linear"
  | "ternary-qkv"
  | "modulate"
  | "gated-residual"
  | "rope-table"
  | "rope"
  | "attention"
  | "timestep-embedding"
  | "adaln"
  | "adaln-quantize"
  | "quantize-rows"
  | "qk-norm-rope"
> = {
  linear: (o) => tensor(o.dtype(0), projected(o, 1)),
  "ternary-linear": (o, { quantized }) => tensor("f32", projected(o, quantized ? 3 : 1)),
  "ternary-qkv": (o, { quantized }) => tensor("f32", projected(o, quantized ? 3 : 1)),
  modulate: sameAsFirst,
  "gated-residual": (o) => tensor(o.dtype(2), o.shape(2)),
  "rope-table": (o, { axesDims, frequencies }) => {
    const rows: Dim | undefined = o.shape(0)?.at(-2);
    const half = divDims(
      axesDims.reduce((sum, d) => sum + d, 0),
      2,
    );
    givenFrequencies(o, frequencies, half);
    const shape = rows === undefined || half === undefined ? null : [rows, half];
    return [
      { dtype: "f32", shape },
      { dtype: "f32", shape },
    ];
  },
  rope: sameAsFirst,
  attention: (o) => {
    const [q, v] = [o.shape(0), o.shape(2)];
    return tensor(o.dtype(0), q === null || v === null ? null : [...q.slice(0, -1), v.at(-1) ?? 1]);
  },
  "timestep-embedding": (o, { dim, frequencies }) => {
    givenFrequencies(o, frequencies, dim / 2);
    const shape = o.shape(0);
    return tensor("f32", shape === null ? null : [...shape, dim]);
  },
  adaln: sameAsFirst,
  "adaln-quantize": quantized,
  "quantize-rows": quantized,
  "qk-norm-rope": sameAsFirst,
};
