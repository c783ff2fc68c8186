import { type KernelSignature, present, rowArg, wholeArg } from "./contract/arguments.js";

/** out = (x − mean)·rsqrt(variance + epsilon)·scale + bias over rows of `c` channels. */
export interface LayerNormParams {
  readonly c: number;
  readonly epsilon: number;
  /** The scale argument is present. */
  readonly scale: boolean;
  /** The bias argument is present. */
  readonly bias: boolean;
}

export function layerNormSignature(params: LayerNormParams): KernelSignature {
  return {
    args: present([
      rowArg("x", "f32"),
      params.scale && wholeArg("scale", "f32"),
      params.bias && wholeArg("bias", "f32"),
      rowArg("out", "f32", "write"),
    ]),
    scalars: [],
  };
}
