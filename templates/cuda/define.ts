import { TritcError } from "../../ir/errors.js";
import type { KernelSignature } from "../../ir/families/contract/family.js";
import type { CudaTensorMap } from "../../ir/program/program.js";
import { cudaRunsOn } from "../../targets/cuda/abi.js";
import { ARCHITECTURES, type Architecture } from "../../targets/cuda/architectures.js";
import type { Target } from "../../targets/target.js";
import type { Family } from "../families.js";
import type { KernelDefinition, TemplateValues } from "../family.js";
import { kernelRecord } from "../record.js";
import { cudaHeader, entryName } from "./header.js";

/** One way to compute a family's function, for the architectures that can. */
export interface CudaKernel {
  /**
   * What it needs: an architecture means that or a later one, one with an `a` that one alone. Kernels that need
   * nothing special say `sm_70`.
   */
  readonly requires: Architecture;
  readonly template: string;
  /** Rendered with `header` (see `cudaHeader`), `entry` (the function's name) and `threads` besides these. */
  readonly values: TemplateValues;
  /** Threads of a block. */
  readonly threads: number;
  /** Bytes of dynamic shared memory; static arrays are nvcc's to count. */
  readonly sharedBytes?: number;
  /** Columns (or heads, or elements), rows and batch entries that one block covers. */
  readonly tile: readonly [number, number, number];
  readonly persistent?: boolean;
  readonly tensorMaps?: readonly CudaTensorMap[];
}

/**
 * A definition from variants, the most demanding first: each architecture of the target takes the first one that it
 * can run, and the others become its fallbacks. Throws `TRITC_E_KERNEL` where an architecture can run none.
 */
export function defineCuda(
  family: Family,
  params: object,
  signature: KernelSignature,
  target: Target,
  variants: readonly CudaKernel[],
): KernelDefinition {
  const used = new Map<CudaKernel, Architecture[]>();
  for (const architecture of target.cuda?.architectures ?? []) {
    const variant = variants.find(({ requires }) => runsOn(requires, architecture));
    if (variant === undefined) throw unavailable(family, target, architecture);
    used.set(variant, [...(used.get(variant) ?? []), architecture]);
  }
  const definition = [...used]
    .sort(([a], [b]) => variants.indexOf(b) - variants.indexOf(a))
    .reduce<KernelDefinition | null>(
      (fallback, [variant, architectures]) => ({
        kernel: kernelRecord(family, params, signature, {
          workgroup: [variant.threads, 1, 1],
          features: [variant.requires],
          cuda: {
            sharedBytes: variant.sharedBytes ?? 0,
            tile: variant.tile,
            persistent: variant.persistent ?? false,
            tensorMaps: variant.tensorMaps ?? [],
          },
        }),
        language: "cuda",
        template: variant.template,
        values: {
          ...variant.values,
          header: cudaHeader(signature),
          entry: entryName(family),
          threads: variant.threads,
        },
        tile: variant.tile,
        fallback,
        architectures,
      }),
      null,
    );
  if (definition === null) throw unavailable(family, target, "none");
  return definition;
}

/** Whether code that needs `requires` runs on a device of an architecture. */
export function runsOn(requires: Architecture, architecture: Architecture): boolean {
  return cudaRunsOn(requires, ...ARCHITECTURES[architecture].computeCapability);
}

function unavailable(family: Family, target: Target, architecture: string): TritcError {
  return new TritcError({
    code: "TRITC_E_KERNEL",
    message: `there is no ${family} kernel for ${architecture}`,
    place: `target ${target.name}`,
    remedy: "compile for another target",
  });
}
