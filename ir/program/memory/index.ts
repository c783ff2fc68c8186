import type { Bindings } from "../../dim.js";
import type { Program } from "../program.js";
import type { DeviceMemory, PromptWeightsPolicy } from "./allocation.js";
import { cpuMemory } from "./cpu.js";
import { cudaMemory } from "./cuda.js";
import { webgpuMemory } from "./webgpu.js";
import type { PlanLimits } from "./wgsl-plan.js";

export * from "./allocation.js";
export { type PromptTurn, scheduleWeights, type WeightSchedule } from "./prompt-weights.js";
export type { PlanLimits } from "./wgsl-plan.js";

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
