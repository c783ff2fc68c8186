import type { RopeFrequencies } from "../ops/frequencies.js";
import { type KernelSignature, rowArg } from "./contract/arguments.js";

/** ids[T, axes] → cos, sin [T, D/2], D = Σ axesDims; angle = id·frequency of the channel pair, axes side by side. */
export type RopeTableParams = RopeFrequencies;

export function ropeTableSignature(_params: RopeTableParams): KernelSignature {
  return {
    args: [rowArg("ids", "f32"), rowArg("cos", "f32", "write"), rowArg("sin", "f32", "write")],
    scalars: [],
  };
}
