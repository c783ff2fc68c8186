import type { Bindings } from "../../ir/dim.js";
import type { Language, Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { cpuMemory } from "../cpu/memory.js";
import { cudaMemory } from "../cuda/memory.js";
import type { Target } from "../target.js";
import { webgpuMemory } from "../webgpu/memory.js";
import type { DeviceMemory, MemoryRules } from "./allocation.js";

export * from "./allocation.js";

type MemoryOf = (
  program: Program,
  bindings: Bindings,
  policy: PromptWeightsPolicy,
  rules: MemoryRules,
) => DeviceMemory;

const BY_LANGUAGE: Readonly<Record<Language, MemoryOf>> = {
  wat: cpuMemory,
  wgsl: webgpuMemory,
  cuda: cudaMemory,
};

/**
 * What a program takes on a device for these sizes: to the byte what the runtime allocates there.
 *
 * @param rules a target, or what a device that is opened differs in
 */
export function programMemory(
  program: Program,
  bindings: Bindings,
  rules: MemoryRules,
  policy: PromptWeightsPolicy,
): DeviceMemory {
  return BY_LANGUAGE[rules.language](program, bindings, policy, rules);
}

/**
 * Bytes that a program may take: of the card's memory, or of `cardBytes`, what the driver leaves. Null where the target
 * is no one device, and nobody says how large it is.
 */
export function memoryLimit(
  { limits, cuda, reservedBytes }: Target,
  cardBytes = cuda?.gpu?.memoryBytes ?? Number.POSITIVE_INFINITY,
): number | null {
  const bytes = Math.max(0, Math.min(limits.maxMemoryBytes, cardBytes) - reservedBytes);
  return Number.isFinite(bytes) ? bytes : null;
}
