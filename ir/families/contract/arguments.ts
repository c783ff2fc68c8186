import type { CudaLaunch, DeviceDType, Kernel, KernelArg, ScalarType } from "../../program/program.js";

/** What a launch passes, the same for every language: arguments in order, then scalars. */
export interface KernelSignature {
  readonly args: readonly KernelArg[];
  readonly scalars: readonly ScalarType[];
}

/** What rows of activations are stored in where a kernel leaves the choice; arithmetic is in f32. */
export type FloatStorage = "f32" | "bf16";

/** An argument whose row m belongs to row m of the launch. */
export function rowArg(name: string, dtype: DeviceDType, access: KernelArg["access"] = "read"): KernelArg {
  return { name, dtype, access, byRow: true };
}

/** An argument every row of the launch may touch as a whole. */
export function wholeArg(name: string, dtype: DeviceDType, access: KernelArg["access"] = "read"): KernelArg {
  return { name, dtype, access, byRow: false };
}

/** The list without the arguments whose condition is false. */
export function present(args: readonly (KernelArg | false)[]): readonly KernelArg[] {
  return args.filter((arg): arg is KernelArg => arg !== false);
}

/** `multiple` ≥ 1: the smallest multiple of it that is at least `value`. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Row length of quantized activations: k rounded up to 16; the codes in the pad are 0. */
export function paddedK(k: number): number {
  return roundUp(k, 16);
}

/** The kernel record of a definition; lists are flattened to text for the manifest, what is null is left out. */
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
    params: flatten(params),
    args: signature.args,
    scalars: signature.scalars,
    workgroup: options.workgroup ?? [1, 1, 1],
    features: options.features ?? [],
    cuda: options.cuda ?? null,
  };
}

function flatten(params: object): Kernel["params"] {
  const flat: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(params)) {
    if (value === null) continue;
    flat[name] =
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? value
        : JSON.stringify(value);
  }
  return flat;
}
