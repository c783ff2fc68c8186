import type { Dim } from "../ir/dim.js";
import type { GridAxis } from "../ir/program/program.js";
import type { Target } from "../targets/target.js";
import type { AdalnParams } from "./adaln/params.js";
import type { AdalnQuantizeParams } from "./adaln-quantize/params.js";
import type { AttentionParams } from "./attention/params.js";
import type { DenseGemmParams, DenseLayout } from "./dense-gemm/params.js";
import type { ElementwiseParams } from "./elementwise/params.js";
import type { EulerStepParams } from "./euler-step/params.js";
import type { KernelDefinition } from "./family.js";
import type { GatherParams } from "./gather/params.js";
import type { LayerNormParams } from "./layer-norm/params.js";
import type { MatmulParams } from "./matmul/params.js";
import type { QkNormRopeParams } from "./qk-norm-rope/params.js";
import type { QuantizeRowsParams } from "./quantize-rows/params.js";
import type { ReduceParams } from "./reduce/params.js";
import type { RopeTableParams } from "./rope-table/params.js";
import type { SoftmaxParams } from "./softmax/params.js";
import type { TernaryGemmParams, TernaryLayout } from "./ternary-gemm/params.js";
import type { TimestepEmbeddingParams } from "./timestep-embedding/params.js";
import type { UnpackDenseParams } from "./unpack-dense/params.js";
import type { UnpackTritsParams } from "./unpack-trits/params.js";

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
  readonly "euler-step": EulerStepParams;
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
