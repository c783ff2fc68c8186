import { type KernelSignature, rowArg } from "../signature.js";

/** out = (x − mean)·rsqrt(variance + epsilon)·(1 + scale) + shift over rows of `c` channels. */
export interface AdalnParams {
  readonly c: number;
  readonly epsilon: number;
}

export function adalnSignature(_params: AdalnParams): KernelSignature {
  return {
    args: [rowArg("x", "f32"), rowArg("shift", "f32"), rowArg("scale", "f32"), rowArg("out", "f32", "write")],
    scalars: [],
  };
}
