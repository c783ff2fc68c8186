import { type KernelSignature, rowArg, wholeArg } from "./contract/arguments.js";

/** x += dt·v over rows of `c` channels in f32; dt[1] is sigma[i+1] − sigma[i], selected by the step. */
export interface EulerStepParams {
  readonly c: number;
}

export function eulerStepSignature(_params: EulerStepParams): KernelSignature {
  return {
    args: [rowArg("x", "f32", "read-write"), rowArg("v", "f32"), wholeArg("dt", "f32")],
    scalars: [],
  };
}
