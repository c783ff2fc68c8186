import type { Kernel } from "../program/program.js";
import { adaln } from "./adaln.js";
import { adalnQuantize } from "./adaln-quantize.js";
import { attention } from "./attention.js";
import { channelMoments } from "./channel-moments.js";
import type { WeightsArg } from "./contract/arguments.js";
import type { Contract, Family } from "./contract/family.js";
import { denseGemm } from "./dense-gemm.js";
import { elementwise } from "./elementwise.js";
import { gather } from "./gather.js";
import { groupFactors } from "./group-factors.js";
import { groupNorm } from "./group-norm.js";
import { imageConv } from "./image-conv.js";
import { layerNorm } from "./layer-norm.js";
import { matmul } from "./matmul.js";
import { qkNormRope } from "./qk-norm-rope.js";
import { quantizeRows } from "./quantize-rows.js";
import { reduce } from "./reduce.js";
import { ropeTable } from "./rope-table.js";
import { softmax } from "./softmax.js";
import { ternaryGemm } from "./ternary-gemm.js";
import { timestepEmbedding } from "./timestep-embedding.js";
import { unpackDense } from "./unpack-dense.js";
import { unpackNarrow } from "./unpack-narrow.js";
import { unpackTrits } from "./unpack-trits.js";

const families = {
  "ternary-gemm": ternaryGemm,
  "dense-gemm": denseGemm,
  attention,
  adaln,
  "adaln-quantize": adalnQuantize,
  "quantize-rows": quantizeRows,
  "qk-norm-rope": qkNormRope,
  "layer-norm": layerNorm,
  "rope-table": ropeTable,
  "timestep-embedding": timestepEmbedding,
  elementwise,
  reduce,
  softmax,
  matmul,
  gather,
  "image-conv": imageConv,
  "channel-moments": channelMoments,
  "group-factors": groupFactors,
  "group-norm": groupNorm,
  "unpack-trits": unpackTrits,
  "unpack-dense": unpackDense,
  "unpack-narrow": unpackNarrow,
};

export type FamilyName = keyof typeof families;

/** The parameters that a kernel of each family is specialized to, the same for every target. */
export type FamilyParams = {
  readonly [F in FamilyName]: (typeof families)[F] extends Family<infer P> ? P : never;
};

/** Every family of kernels: what its kernels take, touch and do. */
export const FAMILIES: { readonly [F in FamilyName]: Family<FamilyParams[F]> } = families;

export function isFamily(name: string): name is FamilyName {
  return Object.hasOwn(families, name);
}

/**
 * What launches of a kernel pass, touch and do, by its family and parameters alone; undefined for a family that is not
 * known. Throws TRITC_E_PROGRAM.
 */
export function contractOf(kernel: Kernel): Contract | undefined {
  return isFamily(kernel.family) ? FAMILIES[kernel.family].contractOf(kernel) : undefined;
}

/** The argument of a family's kernels that weights in a device layout are passed in. Throws a RangeError without one. */
export function weightsOf<F extends FamilyName>(family: F, params: FamilyParams[F]): WeightsArg {
  const weights = FAMILIES[family]
    .contract(params)
    .args.find((arg): arg is WeightsArg => arg.layout !== undefined);
  if (weights === undefined) throw new RangeError(`kernels of ${family} take no weights in a device layout`);
  return weights;
}
