import type { Activation } from "../ops/index.js";
import { type FloatStorage, type KernelSignature, present, rowArg, wholeArg } from "./contract/arguments.js";

/** What ternary weights are multiplied with. `i8`: rows from quantize-rows or adaln-quantize. */
export type TernaryActivations = "i8" | "bf16" | "f32";

/**
 * y[M, n] = activation(scales · (t[n, k] · x[M, k]) + bias), then residual + gate · y when gated.
 * With i8 rows the accumulator is the exact integer Σ u·q, u = t + 1, and
 * y = (f32(acc − rowSum) · rowScale) · scale + bias.
 */
export interface TernaryGemmParams {
  readonly n: number;
  readonly k: number;
  readonly activations: TernaryActivations;
  readonly activation: Activation;
  readonly bias: boolean;
  /** Gate and residual arguments are present. */
  readonly gated: boolean;
  /** What `out` is stored in; f32 if absent. */
  readonly out?: FloatStorage;
  /** Columns of heads of q and k are normalized and rotated; without activation and gate. */
  readonly heads?: TernaryHeads;
}

/**
 * Columns [0, columns/2) are heads of q, [columns/2, columns) of k: each head of `headDim` channels becomes
 * rope(rmsNorm(y)·weight) as in qk-norm-rope, after scales and bias. The others are stored as they are.
 * Arguments: headWeights[2·headDim] (q's, then k's), cos and sin [M, headDim/2].
 */
export interface TernaryHeads {
  readonly columns: number;
  readonly headDim: number;
  readonly epsilon: number;
}

/** The part of the parameters that decides the device layout of the weights. */
export type TernaryLayout = Pick<TernaryGemmParams, "n" | "k" | "activations">;

export function ternaryGemmSignature(params: TernaryGemmParams): KernelSignature {
  const { activations } = params;
  return {
    args: present([
      ...(activations === "i8"
        ? [rowArg("q", "i8"), rowArg("rowScale", "f32"), rowArg("rowSum", "i32")]
        : [rowArg("x", activations)]),
      wholeArg("weights", "u32"),
      wholeArg("scales", "f32"),
      params.bias && wholeArg("bias", "f32"),
      params.gated && rowArg("gate", "f32"),
      params.gated && rowArg("residual", "f32"),
      params.heads !== undefined && wholeArg("headWeights", "f32"),
      params.heads !== undefined && rowArg("cos", "f32"),
      params.heads !== undefined && rowArg("sin", "f32"),
      rowArg("out", params.out ?? "f32", "write"),
    ]),
    scalars: [],
  };
}
