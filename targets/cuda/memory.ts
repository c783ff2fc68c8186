import type { Bindings } from "../../ir/dim.js";
import type { Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import {
  type PromptTurn,
  type PromptWeightsPolicy,
  scheduleWeights,
} from "../../ir/program/prompt-weights.js";
import {
  type Allocation,
  type DeviceMemory,
  deviceMemory,
  type PhaseMemory,
  phaseMemory,
} from "../memory/allocation.js";
import { allocationOf, isKept, runAllocations, stagedBy } from "../memory/buffers.js";

/** The step index lies before the kept buffers. */
export const CUDA_STEP_BYTES = 4;

/** Vectors, tensor maps and whole memory transactions start here. */
const ALIGNMENT = 256;
/** Past the last buffer: a vector that begins inside it ends inside the allocation. */
const TAIL = 256;

/** Where buffers lie in one allocation. */
export interface MemoryPlan {
  /** Byte offsets by buffer id. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Bytes of the allocation; 0 where nothing lies in it. */
  readonly bytes: number;
  /** What each buffer or slot takes of it. */
  readonly allocations: readonly Allocation[];
}

/** Memory that stays from `load` on: weights and what `load` fills, behind the step index. */
export function planKept(program: Program, streamed: ReadonlySet<string> = new Set()): MemoryPlan {
  const plan = new Planner(CUDA_STEP_BYTES);
  for (const buffer of program.buffers) {
    if (isKept(buffer) && !streamed.has(buffer.id)) plan.place(allocationOf(buffer, {}));
  }
  return plan.finish();
}

/** Memory of inputs and intermediate values. */
export function planRun(program: Program, bindings: Bindings): MemoryPlan {
  const plan = new Planner(0);
  for (const allocation of runAllocations(program, bindings)) plan.place(allocation);
  return plan.finish();
}

/** Staged tensors of one launch of `load`. Launches take turns in memory as large as the largest plan. */
export function planStaging(launch: Launch, buffers: ReadonlyMap<string, ProgramBuffer>): MemoryPlan {
  return stage(new Planner(0), launch, buffers).finish();
}

/** A turn of streamed weights: its buffers, and behind them the staged tensors of each launch that fills them. */
export interface TurnPlan {
  /** Places of the turn's buffers and of one launch's tensors, by launch of `unpack`. */
  readonly unpack: readonly MemoryPlan["offsets"][];
  /** Places of the turn's buffers. */
  readonly offsets: MemoryPlan["offsets"];
  readonly bytes: number;
  readonly allocations: readonly Allocation[];
}

export function planTurn(turn: PromptTurn, buffers: ReadonlyMap<string, ProgramBuffer>): TurnPlan {
  const own = () => {
    const plan = new Planner(0);
    for (const id of [...turn.weights, ...turn.residents]) {
      const buffer = buffers.get(id);
      if (buffer !== undefined) plan.place(allocationOf(buffer, {}));
    }
    return plan;
  };
  const unpack = turn.unpack.map((launch) => stage(own(), launch, buffers).finish());
  const kept = own().finish();
  const largest = unpack.reduce((most, plan) => (plan.bytes > most.bytes ? plan : most), kept);
  const { bytes, allocations } = largest;
  return { unpack: unpack.map((plan) => plan.offsets), offsets: kept.offsets, bytes, allocations };
}

function stage(plan: Planner, launch: Launch, buffers: ReadonlyMap<string, ProgramBuffer>): Planner {
  for (const buffer of stagedBy(launch, buffers)) plan.place(allocationOf(buffer, {}));
  return plan;
}

/** Device memory of a program on CUDA, without the driver's context and the kernels' code. */
export function cudaMemory(program: Program, bindings: Bindings, policy: PromptWeightsPolicy): DeviceMemory {
  const buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
  const { load, streamed, turns } = scheduleWeights(program, policy);
  const kept = planKept(program, streamed);
  const run = planRun(program, bindings);
  const largest = (plans: readonly (MemoryPlan | TurnPlan)[]) =>
    plans.reduce<Pick<MemoryPlan, "bytes" | "allocations">>(
      (most, plan) => (plan.bytes > most.bytes ? plan : most),
      { bytes: 0, allocations: [] },
    );
  const together = (...plans: readonly Pick<MemoryPlan, "bytes" | "allocations">[]): PhaseMemory =>
    phaseMemory(
      plans.reduce((sum, plan) => sum + plan.bytes, 0),
      plans.flatMap((plan) => plan.allocations),
    );
  return deviceMemory(
    together(kept, largest(load.map((launch) => planStaging(launch, buffers)))),
    together(kept, run, largest(turns.map((turn) => planTurn(turn, buffers)))),
    together(kept, run),
  );
}

class Planner {
  readonly #offsets = new Map<string, number>();
  readonly #allocations: Allocation[] = [];
  #end: number;

  constructor(reserved: number) {
    this.#end = reserved;
  }

  place(allocation: Allocation): void {
    const offset = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    for (const id of allocation.buffers) this.#offsets.set(id, offset);
    this.#allocations.push(allocation);
    this.#end = offset + allocation.bytes;
  }

  finish(): MemoryPlan {
    const bytes = this.#end === 0 ? 0 : this.#end + TAIL;
    return { offsets: this.#offsets, bytes, allocations: this.#allocations };
  }
}
