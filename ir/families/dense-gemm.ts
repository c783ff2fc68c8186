import type { Activation } from "../ops/index.js";
import { type FloatStorage, type KernelSignature, present, rowArg, wholeArg } from "./contract/arguments.js";

/** y[M, n] = activation(x[M, k] · w[n, k]ᵀ + bias), then residual + gate · y when gated; all f32. */
export interface DenseGemmParams {
  readonly n: number;
  readonly k: number;
  readonly activation: Activation;
  readonly bias: boolean;
  /** Gate and residual arguments are present. */
  readonly gated: boolean;
  /** What `x` and `out` are stored in; f32 if absent. */
  readonly x?: FloatStorage;
  readonly out?: FloatStorage;
}

/** The part of the parameters that decides the device layout of the weights. */
export type DenseLayout = Pick<DenseGemmParams, "n" | "k">;

export function denseGemmSignature(params: DenseGemmParams): KernelSignature {
  return {
    args: present([
      rowArg("x", params.x ?? "f32"),
      wholeArg("weights", "f32"),
      params.bias && wholeArg("bias", "f32"),
      params.gated && rowArg("gate", "f32"),
      params.gated && rowArg("residual", "f32"),
      rowArg("out", params.out ?? "f32", "write"),
    ]),
    scalars: [],
  };
}
