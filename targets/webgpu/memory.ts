import type { Bindings } from "../../ir/dim.js";
import type { Kernel, Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import { type PromptWeightsPolicy, scheduleWeights } from "../../ir/program/prompt-weights.js";
import {
  type Allocation,
  type DeviceMemory,
  deviceMemory,
  type MemoryRules,
  phaseMemory,
} from "../memory/allocation.js";
import { allocationOf, isKept, runAllocations, stagedBy } from "../memory/buffers.js";
import type { PlanLimits } from "../target.js";
import { LaunchPlanner, type PlannedDispatch } from "./dispatches.js";

/** Dynamic uniform offsets are multiples of this on every device. */
const WORDS_PITCH = 256;

/** Bytes of a kernel's launch words, in whole vectors. */
export function wordBytes(kernel: Pick<Kernel, "args" | "scalars">): number {
  return Math.ceil((1 + 2 * kernel.args.length + kernel.scalars.length) / 4) * 16;
}

/** Where the words of each dispatch start in the uniform buffer of a submission, and its size. */
export function placeWords(kernels: readonly Pick<Kernel, "args" | "scalars">[]): {
  readonly offsets: readonly number[];
  readonly bytes: number;
} {
  let at = 0;
  const offsets = kernels.map((kernel) => {
    const offset = at;
    at += Math.ceil(wordBytes(kernel) / WORDS_PITCH) * WORDS_PITCH;
    return offset;
  });
  return { offsets, bytes: Math.max(at, WORDS_PITCH) };
}

/** Scratch buffers of a submission: one for the n-th copied operand of any dispatch, which run one after the other. */
export function scratchSizes(dispatches: readonly PlannedDispatch[]): readonly number[] {
  const sizes: number[] = [];
  for (const { bindings } of dispatches) {
    const copied = bindings.filter((binding) => binding.copy);
    for (const [n, binding] of copied.entries())
      sizes[n] = Math.max(sizes[n] ?? 0, scratchSize(binding.size));
  }
  return sizes;
}

/** Whole vectors, and one more for a uniform array whose source ended within one. */
export function scratchSize(bytes: number): number {
  return Math.ceil(bytes / 16) * 16 + 16;
}

/**
 * Device memory of a program on WebGPU: its buffers, launch words and scratch buffers. What the implementation holds
 * besides (uploads under way, pipelines) is not in it. A device with higher limits than `limits` cuts fewer launches
 * and may take less for their words.
 */
export function webgpuMemory(
  program: Program,
  bindings: Bindings,
  policy: PromptWeightsPolicy,
  { limits }: MemoryRules,
): DeviceMemory {
  const account = new WebGpuAccount(program, bindings, limits);
  const { load, streamed, turns } = scheduleWeights(program, policy);
  const kept = program.buffers
    .filter((buffer) => isKept(buffer) && !streamed.has(buffer.id))
    .map((buffer) => allocationOf(buffer, {}));
  const run = [...kept, ...runAllocations(program, bindings)];
  const submissions = program.phases
    .filter(({ runs }) => runs !== "load")
    .map(({ runs, launches }) => (runs === "prompt" && turns.length > 0 ? [] : launches))
    .reduce((sum, launches) => sum + account.submission(launches, bindings), 0);
  const stepBytes = total(run) + submissions;
  let promptMost: readonly Allocation[] = [];
  let promptExtra = 0;
  for (const turn of turns) {
    const own = account.allocations([...turn.weights, ...turn.residents]);
    const unpacking = turn.unpack.map((launch) => ({
      staged: account.staged(launch),
      words: account.submission([launch], {}),
    }));
    const moments = [{ staged: [], words: account.submission([turn.launch], bindings) }, ...unpacking];
    for (const { staged, words } of moments) {
      const held = [...own, ...staged];
      if (total(held) + words <= promptExtra) continue;
      promptMost = held;
      promptExtra = total(held) + words;
    }
  }
  return deviceMemory(
    account.load(load, kept),
    phaseMemory(stepBytes + promptExtra, [...run, ...promptMost]),
    phaseMemory(stepBytes, run),
  );
}

function total(allocations: readonly Allocation[]): number {
  return allocations.reduce((sum, { bytes }) => sum + bytes, 0);
}

class WebGpuAccount {
  readonly #buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly #kernels: ReadonlyMap<string, Kernel>;

  constructor(
    private readonly program: Program,
    readonly _bindings: Bindings,
    private readonly limits: PlanLimits,
  ) {
    this.#buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
    this.#kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  }

  /** Memory for each of these. */
  allocations(ids: readonly string[]): readonly Allocation[] {
    return ids.flatMap((id) => {
      const buffer = this.#buffers.get(id);
      return buffer === undefined ? [] : [allocationOf(buffer, {})];
    });
  }

  staged(launch: Launch): readonly Allocation[] {
    return stagedBy(launch, this.#buffers).map((buffer) => allocationOf(buffer, {}));
  }

  /** Bytes of launch words and scratch buffers of launches that are submitted together. */
  submission(launches: readonly Launch[], bindings: Bindings): number {
    const planner = new LaunchPlanner(this.program, bindings, this.limits);
    const dispatches = launches.flatMap((launch) => {
      const kernel = this.#kernels.get(launch.kernel);
      return kernel === undefined ? [] : planner.plan(launch, kernel);
    });
    const kernels = dispatches.flatMap(({ kernel }) => this.#kernels.get(kernel) ?? []);
    return scratchSizes(dispatches).reduce((sum, bytes) => sum + bytes, placeWords(kernels).bytes);
  }

  /** Staged tensors are there from the first launch that reads them to the last. */
  load(launches: readonly Launch[], kept: readonly Allocation[]) {
    const last = new Map<string, number>();
    for (const [i, launch] of launches.entries()) for (const arg of launch.args) last.set(arg.buffer, i);
    const staged = new Map<string, Allocation>();
    let most: readonly Allocation[] = [];
    let extra = 0;
    for (const [i, launch] of launches.entries()) {
      for (const allocation of this.staged(launch)) staged.set(allocation.buffers[0] ?? "", allocation);
      const held = [...staged.values()];
      const bytes = total(held) + this.submission([launch], {});
      if (bytes > extra) [most, extra] = [held, bytes];
      for (const { buffer } of launch.args) if (last.get(buffer) === i) staged.delete(buffer);
    }
    return phaseMemory(total(kept) + extra, [...kept, ...most]);
  }
}
