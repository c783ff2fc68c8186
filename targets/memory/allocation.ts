import type { Language } from "../../ir/program/program.js";
import type { PlanLimits } from "../target.js";

/** A piece of device memory and what lies in it. */
export interface Allocation {
  /** Buffers that share it; none for what launches and alignment take. */
  readonly buffers: readonly string[];
  readonly bytes: number;
}

/** The most that a device holds at one time during a phase. */
export interface PhaseMemory {
  /** Bytes in all: the sum of the allocations. */
  readonly bytes: number;
  readonly allocations: readonly Allocation[];
}

/**
 * What a program takes on a device, as the runtime allocates it. `step` covers updates too: nothing is allocated or freed
 * between them.
 */
export interface DeviceMemory {
  readonly load: PhaseMemory;
  readonly prompt: PhaseMemory;
  readonly step: PhaseMemory;
  /** The largest of the phases, in bytes. */
  readonly peak: number;
}

/** What decides, besides the program, how much a device allocates. */
export interface MemoryRules {
  readonly language: Language;
  readonly limits: PlanLimits;
  /** Threads of the cpu device, each with scratch memory of its own; 1 if absent. */
  readonly threads?: number;
}

/** Allocations and what is left of `bytes`: alignment, launch words, scratch memory. */
export function phaseMemory(bytes: number, allocations: readonly Allocation[]): PhaseMemory {
  const named = allocations.reduce((sum, allocation) => sum + allocation.bytes, 0);
  const rest = bytes - named;
  return { bytes, allocations: rest === 0 ? allocations : [...allocations, { buffers: [], bytes: rest }] };
}

/** The phases with their peak. */
export function deviceMemory(load: PhaseMemory, prompt: PhaseMemory, step: PhaseMemory): DeviceMemory {
  return { load, prompt, step, peak: Math.max(load.bytes, prompt.bytes, step.bytes) };
}
