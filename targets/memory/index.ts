import type { Bindings } from "../../ir/dim.js";
import type { Program } from "../../ir/program/program.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import { cpuMemory } from "../cpu/memory.js";
import { cudaMemory } from "../cuda/memory.js";
import type { PlanLimits } from "../webgpu/dispatches.js";
import { webgpuMemory } from "../webgpu/memory.js";
import type { DeviceMemory } from "./allocation.js";

export * from "./allocation.js";

/** What decides, besides the program, how much a device allocates. */
export type MemoryRules =
  | { readonly kind: "cpu"; readonly threads: number }
  | { readonly kind: "webgpu"; readonly limits: PlanLimits }
  | { readonly kind: "cuda" };

/** What a program takes on a device for these sizes: to the byte what the runtime allocates there. */
export function programMemory(
  program: Program,
  bindings: Bindings,
  rules: MemoryRules,
  policy: PromptWeightsPolicy,
): DeviceMemory {
  switch (rules.kind) {
    case "cpu":
      return cpuMemory(program, bindings, policy, rules.threads);
    case "webgpu":
      return webgpuMemory(program, bindings, policy, rules.limits);
    case "cuda":
      return cudaMemory(program, bindings, policy);
  }
}
