/**
 * The CUDA targets and the architectures that their binaries are made for, as `targets/cuda` has them: what a
 * bundle's target name tells the runtime.
 */
export const CUDA_TARGETS: Readonly<Record<string, readonly string[]>> = {
  v100: ["sm_70"],
  t4: ["sm_75"],
  a10: ["sm_86"],
  h200: ["sm_90a"],
  "cuda-portable": ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"],
};

/** Whether programs for a target run on a CUDA device. */
export function isCudaTarget(target: string): boolean {
  return Object.hasOwn(CUDA_TARGETS, target);
}

/** The target to compile for to run on a device, the one with the latest binaries for it; null where none has any. */
export function targetForDevice(major: number, minor: number): string | null {
  let best: { readonly name: string; readonly number: number } | null = null;
  for (const [name, architectures] of Object.entries(CUDA_TARGETS)) {
    for (const architecture of architectures) {
      const number = Number.parseInt(architecture.slice(3), 10);
      if (hasBinaryFor(architecture, major, minor) && number > (best?.number ?? 0)) best = { name, number };
    }
  }
  return best?.name ?? null;
}

/** Whether a binary for an architecture loads on a device: the same major version, this minor one or a later. */
function hasBinaryFor(architecture: string, major: number, minor: number): boolean {
  const number = Number.parseInt(architecture.slice(3), 10);
  if (architecture.endsWith("a")) return number === 10 * major + minor;
  return Math.floor(number / 10) === major && number % 10 <= minor;
}
