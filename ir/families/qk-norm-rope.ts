import { type FloatStorage, type KernelSignature, present, rowArg, wholeArg } from "./contract/arguments.js";

/**
 * Per head of `headDim` channels: x·rsqrt(mean(x²) + epsilon)·weight (where `norm`), then pairs (2j, 2j+1) are
 * rotated: y0 = x0·cos − x1·sin, y1 = x1·cos + x0·sin (where `rope`). Plain RMSNorm is heads = 1 without rope.
 */
export interface QkNormRopeParams {
  readonly heads: number;
  readonly headDim: number;
  readonly norm: boolean;
  /** Used where `norm`. */
  readonly epsilon: number;
  /** The weight argument is present (only where `norm`). */
  readonly weight: boolean;
  /** The cos and sin arguments are present; headDim is even. */
  readonly rope: boolean;
  /** What `x` and `out` are stored in; f32 if absent. */
  readonly x?: FloatStorage;
  readonly out?: FloatStorage;
}

export function qkNormRopeSignature(params: QkNormRopeParams): KernelSignature {
  return {
    args: present([
      rowArg("x", params.x ?? "f32"),
      params.weight && wholeArg("weight", "f32"),
      params.rope && rowArg("cos", "f32"),
      params.rope && rowArg("sin", "f32"),
      rowArg("out", params.out ?? "f32", "write"),
    ]),
    scalars: [],
  };
}
