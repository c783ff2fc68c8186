import {
  storedValues,
  type UnpackTritsParams,
  unpackTritsSignature,
} from "../../ir/families/unpack-trits.js";
import type { Target } from "../../targets/target.js";
import { defineCuda } from "../cuda/define.js";
import type { KernelDefinition } from "../family.js";

/** Channels of a block: a matrix fragment's. */
const CHANNELS = 16;

export function unpackTritsCuda(params: UnpackTritsParams, target: Target): KernelDefinition {
  const { n, k, activations } = params;
  const stored = storedValues(params);
  return defineCuda("unpack-trits", params, unpackTritsSignature(params), target, [
    {
      requires: "sm_70",
      template: "unpack-trits/fragments.cu.hbs",
      values: { n, k, ...stored, zeros: zeroByte(stored), pairs: activations === "bf16" },
      // A warp for each block of 128 k that 128 stored bytes hold.
      threads: 32 * stored.perByte,
      tile: [CHANNELS, 1, 1],
    },
  ]);
}

/** The stored byte of codes u = 1: Σ baseⁱ. */
function zeroByte({ base, perByte }: ReturnType<typeof storedValues>): number {
  return (base ** perByte - 1) / (base - 1);
}
