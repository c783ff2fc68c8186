import { tritRowBytes } from "../../ir/ternary/trits.js";
import type { Target } from "../../targets/target.js";
import { defineCuda } from "../cuda/define.js";
import type { KernelDefinition } from "../family.js";
import { type UnpackTritsParams, unpackTritsSignature } from "./params.js";

/** A warp for each of the five blocks of 128 k that 128 stored bytes hold. */
const THREADS = 5 * 32;
/** Channels of a block: a matrix fragment's. */
const CHANNELS = 16;

export function unpackTritsCuda(params: UnpackTritsParams, target: Target): KernelDefinition {
  const { n, k, activations } = params;
  return defineCuda("unpack-trits", params, unpackTritsSignature(params), target, [
    {
      requires: "sm_70",
      template: "unpack-trits/fragments.cu.hbs",
      values: { n, k, rowBytes: tritRowBytes(k), pairs: activations === "bf16" },
      threads: THREADS,
      tile: [CHANNELS, 1, 1],
    },
  ]);
}
