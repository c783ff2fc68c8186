import type { WeightLayout } from "../ir/families/contract/arguments.js";
import { type DenseLayout, denseLayout } from "../ir/families/dense-gemm.js";
import { FAMILIES, type FamilyName as Family, type FamilyParams } from "../ir/families/index.js";
import { type TernaryLayout, ternaryLayout } from "../ir/families/ternary-gemm.js";
import type { Language } from "../ir/program/program.js";
import type { Target } from "../targets/target.js";
import { cudaKernels } from "./cuda-kernels.js";
import { define } from "./define.js";
import type { KernelColumn } from "./families.js";
import type { KernelDefinition } from "./family.js";
import { watKernels } from "./wat-kernels.js";
import { wgslKernels } from "./wgsl-kernels.js";

export type { FamilyName as Family, FamilyParams } from "../ir/families/index.js";
export { gridOf } from "./families.js";
export type { KernelDefinition } from "./family.js";

const COLUMNS: Readonly<Record<Language, KernelColumn>> = {
  wat: watKernels,
  wgsl: wgslKernels,
  cuda: cudaKernels,
};
/** Families whose weights have a device layout, and what decides it. */
interface LayoutParams {
  readonly "dense-gemm": DenseLayout;
  readonly "ternary-gemm": TernaryLayout;
}
const LAYOUTS: { readonly [F in keyof LayoutParams]: (params: LayoutParams[F]) => WeightLayout } = {
  "dense-gemm": denseLayout,
  "ternary-gemm": ternaryLayout,
};

/**
 * The kernel of a family with these parameters for a target, whose launches have so many rows. Throws `TRITC_E_KERNEL`
 * where there is none.
 */
export function defineKernel<F extends Family>(
  family: F,
  params: FamilyParams[F],
  target: Target,
  rows: readonly number[] = [],
): KernelDefinition {
  return define(family, FAMILIES[family], COLUMNS[target.language][family], params, target, rows);
}

/** 32-bit words that the weights of a gemm take on a target: the size of its `weights` argument. */
export function deviceWeightWords<F extends keyof LayoutParams>(
  family: F,
  params: LayoutParams[F],
  target: Target,
): number {
  return LAYOUTS[family](params).words[target.language];
}
