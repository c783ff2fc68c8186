import type { Shape } from "../dim.js";
import { GROUP_SIZES, groupSizeOf } from "../ternary/groups.js";
import { type AttrsOf, oneOf, op, orNull } from "./definition.js";
import { held } from "./held.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { MODEL_ROWS, type StepRows, type Traits } from "./traits.js";

export const ACTIVATIONS = oneOf("none", "gelu-tanh", "gelu-erf", "silu");
export type Activation = (typeof ACTIVATIONS.oneOf)[number];

const LINEAR = {
  /** `double.3.img.qkv`, `single.7.modulation`, `x_embedder`…; set by `describe-model`. */
  role: orNull("string"),
  activation: ACTIVATIONS,
  /** Whether the last two operands are gate and residual. */
  gated: "bool",
} as const;
/** Of float weights. */
const FLOAT_LINEAR = { ...LINEAR, held } as const;
export type LinearAttrs = AttrsOf<typeof LINEAR>;

/** x[..., in] and weight[out, in] → [..., out] */
function projected(o: Operands, weight: number): Shape | null {
  const [x, w] = [o.shape(0), o.shape(weight)];
  if (x === null || w === null) return null;
  o.unify(x.at(-1) ?? 1, w[1] ?? 1, "input channels of the weight");
  return [...x.slice(0, -1), w[0] ?? 1];
}

/** As `projected`, by codes[out, in] and the scales behind them. */
function ternaryProjected(o: Operands, codes: number): Shape | null {
  const [w, scales] = [o.shape(codes), o.shape(codes + 1)];
  if (w !== null && scales !== null) {
    o.unify(w[0] ?? 1, scales[0] ?? 1, "rows of codes and scales");
    const [k, groups] = [w[1], scales[1]];
    const isGroups = typeof k === "number" && typeof groups === "number" && groupSizeOf(k, [0, groups]);
    if (scales.length > 2 || (groups !== undefined && !isGroups))
      o.fail(
        `a scale for each row, or for each ${GROUP_SIZES.join(", ")} of its ${k} codes`,
        `[${scales.join(", ")}]`,
      );
  }
  return projected(o, codes);
}

const LINEAR_TRAITS: Traits<LinearAttrs> = {
  ...MODEL_ROWS,
  // The residual stream stays in f32.
  narrow: { reads: [0], stores: ({ gated }) => !gated, alike: false },
  perStep: (_, { rank }: StepRows) => rank >= 2,
};

/** x·Wᵀ + b and what is fused into it. */
export const linears = {
  /** (x[..., in], weight[out, in], bias[out]?) → x·Wᵀ + b, then the epilogue (`fuse-epilogues`):
   *  activation; with a gate: (…, gate[..., 1|–, out], residual) → residual + gate·(x·Wᵀ + b). */
  linear: op({
    operands: [2, 5],
    attrs: FLOAT_LINEAR,
    infer: (o) => tensor(o.dtype(0), projected(o, 1)),
    traits: { ...LINEAR_TRAITS, work: "contraction" },
  }),
  /** (x[..., T, C], q, k, …) see `linear`; weight operands are codes i8 [out, in] and scales [out], or
   *  [out, groups] where groups of a row's inputs have a scale each (`ir/ternary/groups.ts`):
   *  (x, codes, scales, bias?, gate?, residual?). With quantized rows the x operand is three values:
   *  (q i8 [..., T, in], rowScale f32 [..., T], rowSum i32 [..., T], codes, scales, bias?, gate?, residual?). */
  "ternary-linear": op({
    operands: [3, 8],
    attrs: { ...LINEAR, quantized: "bool" },
    infer: (o, { quantized }) => tensor("f32", ternaryProjected(o, quantized ? 3 : 1)),
    traits: LINEAR_TRAITS,
  }),
  /** (x[..., T, in] or quantized rows, codes, scales, bias?, weights[2·D], cos[T, D/2], sin[T, D/2]): a ternary-linear
   *  whose columns [0, width) go through qk-norm-rope with the first D weights, [width, 2·width) with the others;
   *  the rest stays (`fuse-heads`). */
  "ternary-qkv": op({
    operands: [7, 9],
    attrs: {
      role: orNull("string"),
      quantized: "bool",
      headDim: "number",
      epsilon: "number",
      width: "number",
    },
    infer: (o, { quantized }) => tensor("f32", ternaryProjected(o, quantized ? 3 : 1)),
    traits: MODEL_ROWS,
  }),
};
