import { type FloatStorage, type KernelSignature, rowArg } from "./contract/arguments.js";

/** out = (x − mean)·rsqrt(variance + epsilon)·(1 + scale) + shift over rows of `c` channels. */
export interface AdalnParams {
  readonly c: number;
  readonly epsilon: number;
  /** What `out` is stored in; f32 if absent. */
  readonly out?: FloatStorage;
}

export function adalnSignature({ out = "f32" }: AdalnParams): KernelSignature {
  return {
    args: [rowArg("x", "f32"), rowArg("shift", "f32"), rowArg("scale", "f32"), rowArg("out", out, "write")],
    scalars: [],
  };
}
