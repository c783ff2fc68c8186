import type { Dim } from "../ir/dim.js";
import type { AdalnParams } from "../ir/families/adaln.js";
import type { AdalnQuantizeParams } from "../ir/families/adaln-quantize.js";
import type { AttentionParams } from "../ir/families/attention.js";
import type { DenseGemmParams, DenseLayout } from "../ir/families/dense-gemm.js";
import type { ElementwiseParams } from "../ir/families/elementwise.js";
import type { GatherParams } from "../ir/families/gather.js";
import type { LayerNormParams } from "../ir/families/layer-norm.js";
import type { MatmulParams } from "../ir/families/matmul.js";
import type { QkNormRopeParams } from "../ir/families/qk-norm-rope.js";
import type { QuantizeRowsParams } from "../ir/families/quantize-rows.js";
import type { ReduceParams } from "../ir/families/reduce.js";
import type { RopeTableParams } from "../ir/families/rope-table.js";
import type { SoftmaxParams } from "../ir/families/softmax.js";
import type { TernaryGemmParams, TernaryLayout } from "../ir/families/ternary-gemm.js";
import type { TimestepEmbeddingParams } from "../ir/families/timestep-embedding.js";
import type { UnpackDenseParams } from "../ir/families/unpack-dense.js";
import type { UnpackTritsParams } from "../ir/families/unpack-trits.js";
import type { GridAxis } from "../ir/program/program.js";
import type { Target } from "../targets/target.js";
import type { KernelDefinition } from "./family.js";

/** Kernel families and the parameters that a kernel of each is specialized to, the same for every target. */
export interface FamilyParams {
  readonly "ternary-gemm": TernaryGemmParams;
  readonly "dense-gemm": DenseGemmParams;
  readonly attention: AttentionParams;
  readonly adaln: AdalnParams;
  readonly "adaln-quantize": AdalnQuantizeParams;
  readonly "quantize-rows": QuantizeRowsParams;
  readonly "qk-norm-rope": QkNormRopeParams;
  readonly "layer-norm": LayerNormParams;
  readonly "rope-table": RopeTableParams;
  readonly "timestep-embedding": TimestepEmbeddingParams;
  readonly elementwise: ElementwiseParams;
  readonly reduce: ReduceParams;
  readonly softmax: SoftmaxParams;
  readonly matmul: MatmulParams;
  readonly gather: GatherParams;
  readonly "unpack-trits": UnpackTritsParams;
  readonly "unpack-dense": UnpackDenseParams;
}
export type Family = keyof FamilyParams;

/** Makes the definition of one family in one language. */
export type KernelDefiner<P> = (params: P, target: Target) => KernelDefinition;

/** One language's definers. A family that is missing does not exist in that language. */
export type KernelColumn = { readonly [F in Family]?: KernelDefiner<FamilyParams[F]> };

/** Families whose weights have a device layout, and what decides it. */
export interface LayoutParams {
  readonly "ternary-gemm": TernaryLayout;
  readonly "dense-gemm": DenseLayout;
}

/** One language's sizes: the 32-bit words that weights take in the layout its kernels read. */
export type WeightLayouts = {
  readonly [F in keyof LayoutParams]?: (params: LayoutParams[F], target: Target) => number;
};

/** The grid of a launch over these sizes: columns (or heads, or elements), rows, batch. */
export function gridOf(definition: KernelDefinition, sizes: readonly [Dim, Dim, Dim]): readonly GridAxis[] {
  return sizes.map((size, axis) => ({ size, tile: definition.tile[axis] ?? 1 }));
}
