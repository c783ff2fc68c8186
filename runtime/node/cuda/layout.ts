import { type Bindings, evaluateDim } from "../../../ir/dim.js";
import { DEVICE_BYTES, type Launch, type Program, type ProgramBuffer } from "../../../ir/program/program.js";

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
}

/** Bytes of a buffer's elements. */
export function elementBytes(buffer: ProgramBuffer, bindings: Bindings): number {
  return evaluateDim(buffer.elements, bindings) * DEVICE_BYTES[buffer.dtype];
}

/** Memory that stays from `load` on: weights and what `load` fills, behind `reserved` bytes. */
export function planKept(program: Program, reserved: number): MemoryPlan {
  const plan = new Planner(reserved);
  for (const buffer of program.buffers) {
    const { kind } = buffer.storage;
    if (kind === "weight" || kind === "resident") plan.place([buffer.id], elementBytes(buffer, {}));
  }
  return plan.finish();
}

/** Memory of inputs and intermediate values. A slot is as large as its largest member. */
export function planRun(program: Program, bindings: Bindings): MemoryPlan {
  const plan = new Planner(0);
  const slots = new Map<number, { readonly ids: string[]; bytes: number }>();
  for (const buffer of program.buffers) {
    const { storage } = buffer;
    if (storage.kind === "host") plan.place([buffer.id], elementBytes(buffer, bindings));
    if (storage.kind !== "arena") continue;
    const slot = slots.get(storage.slot) ?? { ids: [], bytes: 0 };
    slots.set(storage.slot, slot);
    slot.ids.push(buffer.id);
    slot.bytes = Math.max(slot.bytes, elementBytes(buffer, bindings));
  }
  for (const { ids, bytes } of slots.values()) plan.place(ids, bytes);
  return plan.finish();
}

/** Staged tensors of one launch of `load`. Launches take turns in memory as large as the largest plan. */
export function planStaging(launch: Launch, buffers: ReadonlyMap<string, ProgramBuffer>): MemoryPlan {
  const plan = new Planner(0);
  for (const id of new Set(launch.args.map((arg) => arg.buffer))) {
    const buffer = buffers.get(id);
    if (buffer?.storage.kind === "staging") plan.place([id], elementBytes(buffer, {}));
  }
  return plan.finish();
}

class Planner {
  readonly #offsets = new Map<string, number>();
  #end: number;

  constructor(reserved: number) {
    this.#end = reserved;
  }

  place(ids: readonly string[], bytes: number): void {
    const offset = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    for (const id of ids) this.#offsets.set(id, offset);
    this.#end = offset + Math.max(16, Math.ceil(bytes / 16) * 16);
  }

  finish(): MemoryPlan {
    return { offsets: this.#offsets, bytes: this.#end === 0 ? 0 : this.#end + TAIL };
  }
}
