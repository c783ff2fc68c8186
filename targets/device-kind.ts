import { HARDWARE, PACKED_DOT } from "../ir/families/launch/features.js";
import { WASM_SCRATCH_BYTES } from "./cpu/abi.js";
import { cudaRunsOn } from "./cuda/abi.js";
import { ARCHITECTURES, type Architecture, type ArchitectureFacts } from "./cuda/architectures.js";
import type { Gpu } from "./cuda/gpus.js";
import type { Target } from "./target.js";

/** Devices of a target that one kernel serves: those of an architecture, or with the same features. */
export interface DeviceKind {
  readonly name: string;
  /** Features of a kernel that it has; for CUDA see `architecture`. */
  readonly features: readonly string[];
  /** The most threads of a block, or invocations of a workgroup. */
  readonly threads: number;
  /** The most shared memory of a block, workgroup memory, or scratch memory of a thread, in bytes. */
  readonly sharedBytes: number;
  readonly cuda: CudaKind | null;
}

export interface CudaKind {
  readonly architecture: Architecture;
  readonly facts: ArchitectureFacts;
  /** Null where the target is of several. */
  readonly gpu: Gpu | null;
}

/** The kinds of devices that kernels of a target are chosen for, one choice each. */
export function deviceKinds({ language, features, limits, cuda }: Target): readonly DeviceKind[] {
  const threads = limits.maxWorkgroupInvocations;
  if (language === "cuda") {
    return (cuda?.architectures ?? []).map((architecture) => {
      const facts = ARCHITECTURES[architecture];
      const { sharedBytesPerBlock: sharedBytes } = facts;
      return {
        name: architecture,
        features: [],
        threads,
        sharedBytes,
        cuda: { architecture, facts, gpu: cuda?.gpu ?? null },
      };
    });
  }
  const kind = (name: string, has: readonly string[]): DeviceKind => ({
    name,
    features: has,
    threads,
    sharedBytes: language === "wat" ? WASM_SCRATCH_BYTES : limits.maxWorkgroupStorageBytes,
    cuda: null,
  });
  if (language === "wgsl") return [kind("GPU", [HARDWARE, PACKED_DOT]), kind("any adapter", [])];
  return [...(features.length > 0 ? [kind(features.join(", "), features)] : []), kind("any engine", [])];
}

/** Whether all devices of a kind run a kernel that needs a feature. */
export function hasFeature(
  { features, cuda }: Pick<DeviceKind, "features" | "cuda">,
  feature: string,
): boolean {
  return cuda === null ? features.includes(feature) : cudaRunsOn(feature, ...cuda.facts.computeCapability);
}
