import { ARCHITECTURES, type Architecture } from "./architectures.js";
import { CUDA_TARGETS, cudaPortable } from "./index.js";

/**
 * The target to compile for to run on a device: the one of its name, else one with binaries that it loads; null where
 * there is none.
 */
export function targetForDevice(name: string, major: number, minor: number): string | null {
  const words = ` ${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, " ")} `;
  const loads = CUDA_TARGETS.filter(({ cuda }) =>
    cuda?.architectures.some((architecture) => loadsOn(architecture, major, minor)),
  ).map((target) => target.name);
  const named = loads.find((target) => words.includes(` ${target.replaceAll("-", " ")} `));
  return named ?? (isLater(major, minor) ? cudaPortable.name : (loads[0] ?? null));
}

/** Whether the driver compiles the portable target's PTX for a device, if it has no binary. */
function isLater(major: number, minor: number): boolean {
  const [first] = cudaPortable.cuda?.architectures ?? [];
  if (first === undefined) return false;
  const [firstMajor, firstMinor] = ARCHITECTURES[first].computeCapability;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}

/** Whether a binary loads on a device: one of the same major version, and of this minor one or an earlier. */
function loadsOn(architecture: Architecture, major: number, minor: number): boolean {
  const [itsMajor, itsMinor] = ARCHITECTURES[architecture].computeCapability;
  return itsMajor === major && (architecture.endsWith("a") ? itsMinor === minor : itsMinor <= minor);
}
