/**
 * The CUDA targets and the architectures that their binaries are made for, as `targets/cuda` has them: what a
 * bundle's target name tells the runtime.
 */
export const CUDA_TARGETS: Readonly<Record<string, readonly string[]>> = {
  v100: ["sm_70"],
  t4: ["sm_75"],
  a100: ["sm_80"],
  a10: ["sm_86"],
  l20: ["sm_89"],
  l40s: ["sm_89"],
  "rtx-3090": ["sm_86"],
  "rtx-4090": ["sm_89"],
  "rtx-5090": ["sm_120a"],
  h100: ["sm_90a"],
  h200: ["sm_90a"],
  b200: ["sm_100a"],
  "cuda-portable": ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"],
};

/** The target that also holds PTX, which drivers compile for architectures to come. */
export const PORTABLE = "cuda-portable";

/** Whether programs for a target run on a CUDA device. */
export function isCudaTarget(target: string): boolean {
  return Object.hasOwn(CUDA_TARGETS, target);
}

/**
 * The target to compile for to run on a device: the one of its name, else one with binaries that it loads; null where
 * there is none.
 */
export function targetForDevice(name: string, major: number, minor: number): string | null {
  const words = ` ${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, " ")} `;
  const loads = Object.keys(CUDA_TARGETS).filter((target) => hasBinaryFor(target, major, minor));
  const named = loads.find((target) => words.includes(` ${target.replaceAll("-", " ")} `));
  const later = 10 * major + minor >= Number.parseInt(CUDA_TARGETS[PORTABLE]?.[0]?.slice(3) ?? "", 10);
  return named ?? (later ? PORTABLE : (loads[0] ?? null));
}

/** Whether a target has a binary that loads on a device: of the same major version, and this minor one or an earlier. */
function hasBinaryFor(target: string, major: number, minor: number): boolean {
  return ((Object.hasOwn(CUDA_TARGETS, target) ? CUDA_TARGETS[target] : undefined) ?? []).some(
    (architecture) => {
      const number = Number.parseInt(architecture.slice(3), 10);
      if (architecture.endsWith("a")) return number === 10 * major + minor;
      return Math.floor(number / 10) === major && number % 10 <= minor;
    },
  );
}
