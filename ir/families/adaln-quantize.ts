import { type KernelSignature, rowArg } from "./contract/arguments.js";

/** adaln, then quantize-rows of its result, without the result in memory. */
export interface AdalnQuantizeParams {
  readonly c: number;
  readonly epsilon: number;
}

export function adalnQuantizeSignature(_params: AdalnQuantizeParams): KernelSignature {
  return {
    args: [
      rowArg("x", "f32"),
      rowArg("shift", "f32"),
      rowArg("scale", "f32"),
      rowArg("q", "i8", "write"),
      rowArg("rowScale", "f32", "write"),
      rowArg("rowSum", "i32", "write"),
    ],
    scalars: [],
  };
}
