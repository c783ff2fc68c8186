import { type Bindings, evaluateDim } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import type { Launch, Program, ProgramBuffer } from "../../ir/program/program.js";
import type { Allocation } from "./allocation.js";

/** A program's buffers by their ids. */
export function buffersById({ buffers }: Pick<Program, "buffers">): ReadonlyMap<string, ProgramBuffer> {
  return new Map(buffers.map((buffer) => [buffer.id, buffer]));
}

/** Bytes of a buffer's elements. */
export function elementBytes(
  { dtype, elements }: Pick<ProgramBuffer, "dtype" | "elements">,
  bindings: Bindings,
): number {
  return byteLength(dtype, evaluateDim(elements, bindings));
}

/** Bytes that a buffer takes on a device: whole vectors of 16 bytes, one at least. */
export function bufferBytes(buffer: ProgramBuffer, bindings: Bindings): number {
  return Math.max(16, Math.ceil(elementBytes(buffer, bindings) / 16) * 16);
}

/** Memory for one buffer. */
export function allocationOf(buffer: ProgramBuffer, bindings: Bindings): Allocation {
  return { buffers: [buffer.id], bytes: bufferBytes(buffer, bindings) };
}

/** Whether a buffer keeps its place from `load` on: its size depends on no symbol. */
export function isKept({ storage: { kind } }: ProgramBuffer): boolean {
  return kind === "weight" || kind === "resident";
}

/** The tensors that a launch of `load` reads from the weight file. */
export function stagedBy(
  launch: Launch,
  buffers: ReadonlyMap<string, ProgramBuffer>,
): readonly ProgramBuffer[] {
  const ids = new Set(launch.args.map((arg) => arg.buffer));
  const used = [...ids].flatMap((id) => buffers.get(id) ?? []);
  return used.filter(({ storage }) => storage.kind === "staging");
}

/** Inputs and state, and intermediate values by slot: a slot is as large as its largest member, which comes first. */
export function runAllocations(program: Program, bindings: Bindings): readonly Allocation[] {
  const own: Allocation[] = [];
  const slots = new Map<number, Allocation>();
  for (const buffer of program.buffers) {
    const { storage } = buffer;
    const allocation = allocationOf(buffer, bindings);
    if (storage.kind === "host" || storage.kind === "state") own.push(allocation);
    if (storage.kind !== "arena") continue;
    const { slot } = storage;
    const others = slots.get(slot) ?? { buffers: [], bytes: 0 };
    const [first, rest] = allocation.bytes > others.bytes ? [allocation, others] : [others, allocation];
    slots.set(slot, { buffers: [...first.buffers, ...rest.buffers], bytes: first.bytes });
  }
  return [...own, ...slots.values()];
}
