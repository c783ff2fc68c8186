import type { KernelSignature } from "../ir/families/contract/family.js";
import type { CudaLaunch, Kernel, ParamRecord } from "../ir/program/program.js";

/** The kernel record of a definition; parameters that are null or absent are left out. */
export function kernelRecord(
  family: string,
  params: object,
  signature: KernelSignature,
  options: {
    readonly workgroup?: readonly [number, number, number];
    readonly features?: readonly string[];
    readonly cuda?: CudaLaunch;
  } = {},
): Omit<Kernel, "id" | "fallback"> {
  return {
    family,
    params: Object.fromEntries(Object.entries(params).filter(([, value]) => value != null)) as ParamRecord,
    args: signature.args,
    scalars: signature.scalars,
    workgroup: options.workgroup ?? [1, 1, 1],
    features: options.features ?? [],
    cuda: options.cuda ?? null,
  };
}
