import { TritcError } from "../ir/errors.js";
import type { Language } from "../ir/program/program.js";
import type { Target } from "../targets/target.js";
import { cudaKernels, cudaWeightWords } from "./cuda-kernels.js";
import type { Family, FamilyParams, KernelColumn, LayoutParams, WeightLayouts } from "./families.js";
import type { KernelDefinition } from "./family.js";
import { watKernels, watWeightWords } from "./wat-kernels.js";
import { wgslKernels, wgslWeightWords } from "./wgsl-kernels.js";

export { type Family, type FamilyParams, gridOf, type LayoutParams } from "./families.js";
export type { KernelDefinition } from "./family.js";

const COLUMNS: Readonly<Record<Language, KernelColumn>> = {
  wat: watKernels,
  wgsl: wgslKernels,
  cuda: cudaKernels,
};
const LAYOUTS: Readonly<Record<Language, WeightLayouts>> = {
  wat: watWeightWords,
  wgsl: wgslWeightWords,
  cuda: cudaWeightWords,
};

/** The kernel of a family with these parameters for a target. Throws `TRITC_E_KERNEL` where there is none. */
export function defineKernel<F extends Family>(
  family: F,
  params: FamilyParams[F],
  target: Target,
): KernelDefinition {
  const define = COLUMNS[target.language][family];
  if (define === undefined) throw missing(family, target);
  return define(params, target);
}

/** 32-bit words that the weights of a gemm take on a target: the size of its `weights` argument. */
export function deviceWeightWords<F extends keyof LayoutParams>(
  family: F,
  params: LayoutParams[F],
  target: Target,
): number {
  const words = LAYOUTS[target.language][family];
  if (words === undefined) throw missing(family, target);
  return words(params, target);
}

function missing(family: Family, target: Target): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message: `the ${target.language} templates have no ${family} kernel`,
    place: `target ${target.name}`,
    remedy: "compile for another target",
  });
}
