import { HARDWARE, PACKED_DOT } from "../ir/families/launch/features.js";
import type { Language } from "../ir/program/program.js";
import { WASM_SCRATCH_BYTES } from "./cpu/abi.js";
import { CPU_SPEED } from "./cpu/speed.js";
import { cudaRunsOn } from "./cuda/abi.js";
import { ARCHITECTURES, type Architecture, type ArchitectureFacts } from "./cuda/architectures.js";
import type { Gpu } from "./cuda/gpus.js";
import { cudaSpeed } from "./cuda/speed.js";
import type { Speed } from "./speed.js";
import type { Target } from "./target.js";
import { GPU_SPEED, SOFTWARE_SPEED } from "./webgpu/speed.js";

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
  /** What the cost model reckons with; null where nobody knows. */
  readonly speed: Speed | null;
}

export interface CudaKind {
  readonly architecture: Architecture;
  readonly facts: ArchitectureFacts;
  /** Null where the target is of several. */
  readonly gpu: Gpu | null;
}

/** The kinds of devices that kernels of a target are chosen for, one choice each. */
export function deviceKinds(target: Target): readonly DeviceKind[] {
  return KINDS[target.language](target);
}

/** The kind of this number, of which a device has these features besides; undefined where there is none. */
export function deviceKindWith(
  target: Target,
  index: number,
  extra: readonly string[],
): DeviceKind | undefined {
  const kind = deviceKinds(target)[index];
  return kind === undefined ? undefined : { ...kind, features: [...kind.features, ...extra] };
}

const KINDS: Readonly<Record<Language, (target: Target) => readonly DeviceKind[]>> = {
  wat(target) {
    const engine = (name: string, features: readonly string[]) =>
      plainKind(target, { name, features, sharedBytes: WASM_SCRATCH_BYTES, speed: CPU_SPEED });
    const { features } = target;
    return [
      ...(features.length > 0 ? [engine(features.join(", "), features)] : []),
      engine("any engine", []),
    ];
  },
  wgsl(target) {
    const { maxWorkgroupStorageBytes: sharedBytes } = target.limits;
    return [
      plainKind(target, { name: "GPU", features: [HARDWARE, PACKED_DOT], sharedBytes, speed: GPU_SPEED }),
      // Real GPUs without packed dot products are among them, and few.
      plainKind(target, { name: "any adapter", features: [], sharedBytes, speed: SOFTWARE_SPEED }),
    ];
  },
  cuda({ limits, cuda }) {
    return (cuda?.architectures ?? []).map((architecture) => {
      const facts = ARCHITECTURES[architecture];
      return {
        name: architecture,
        features: [],
        threads: limits.maxWorkgroupInvocations,
        sharedBytes: facts.sharedBytesPerBlock,
        cuda: { architecture, facts, gpu: cuda?.gpu ?? null },
        // Kernels for several share what they need, so that each takes the family's: a choice for one would be taken by others.
        speed: cuda?.architectures.length === 1 ? cudaSpeed(architecture, cuda.gpu) : null,
      };
    });
  },
};

function plainKind({ limits }: Target, own: Omit<DeviceKind, "threads" | "cuda">): DeviceKind {
  return { ...own, threads: limits.maxWorkgroupInvocations, cuda: null };
}

/** Whether all devices of a kind run a kernel that needs a feature. */
export function hasFeature(
  { features, cuda }: Pick<DeviceKind, "features" | "cuda">,
  feature: string,
): boolean {
  return cuda === null ? features.includes(feature) : cudaRunsOn(feature, ...cuda.facts.computeCapability);
}
