import type { Bindings } from "../../ir/dim.js";
import type { BufferStorage, Launch, Phase, ProgramBuffer } from "../../ir/program/program.js";
import { sizeOf } from "../analysis/sizes.js";
import { bufferBytes, type DraftBuffer } from "./lowering.js";

/** Where memory goes at the planned sizes, in bytes. */
export interface MemoryReport {
  /** Weights in device layout and vectors. */
  readonly weights: number;
  /** Inputs and values kept for the whole run or shared among steps: the sum of the slots. */
  readonly activations: number;
  readonly total: number;
  /** The largest holders, largest first. */
  readonly holders: readonly { readonly name: string; readonly bytes: number }[];
}

interface Lifetime {
  readonly buffer: DraftBuffer;
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

/**
 * `plan-memory`: gives every intermediate a slot; buffers of one slot share memory, so their lifetimes must
 * not overlap. Time is the order of launches, phase by phase. What is written once per prompt and read in a step lives
 * to the end, because every step reads it again; so do outputs, which the host reads after the step.
 *
 * Slots are filled largest buffer first, each into the slot it leaves the least of.
 */
export function planMemory(
  buffers: readonly DraftBuffer[],
  phases: readonly Phase[],
  writes: (launch: Launch, argument: number) => boolean,
  kept: ReadonlySet<string>,
  sizes: Bindings,
): { readonly buffers: readonly ProgramBuffer[]; readonly report: MemoryReport } {
  const bytes = new Map(buffers.map((b) => [b.id, roundUp(sizeOf(bufferBytes(b), sizes))]));
  const lifetimes = lifetimesOf(buffers, phases, writes, kept, bytes);
  const slots = assignSlots(lifetimes);
  const planned = buffers.flatMap((b): readonly ProgramBuffer[] => {
    const { id, dtype, elements } = b;
    if (b.storage.kind !== "arena") return [{ id, dtype, elements, storage: b.storage as BufferStorage }];
    const slot = slots.get(id);
    // A buffer that no launch touches holds nothing.
    return slot === undefined ? [] : [{ id, dtype, elements, storage: { kind: "arena", slot } }];
  });
  return { buffers: planned, report: report(buffers, slots, bytes) };
}

function lifetimesOf(
  buffers: readonly DraftBuffer[],
  phases: readonly Phase[],
  writes: (launch: Launch, argument: number) => boolean,
  kept: ReadonlySet<string>,
  bytes: ReadonlyMap<string, number>,
): readonly Lifetime[] {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  const writtenInPrompt = new Set<string>();
  let time = 0;
  for (const { runs, launches } of phases) {
    if (runs === "load") continue;
    for (const launch of launches) {
      for (const [i, { buffer }] of launch.args.entries()) {
        if (!first.has(buffer)) first.set(buffer, time);
        const lasting = runs !== "prompt" && writtenInPrompt.has(buffer);
        last.set(buffer, lasting ? Number.POSITIVE_INFINITY : Math.max(last.get(buffer) ?? 0, time));
        if (runs === "prompt" && writes(launch, i)) writtenInPrompt.add(buffer);
      }
      time++;
    }
  }
  return buffers.flatMap((buffer) => {
    const begin = first.get(buffer.id);
    if (buffer.storage.kind !== "arena" || begin === undefined) return [];
    const end = kept.has(buffer.id) ? Number.POSITIVE_INFINITY : (last.get(buffer.id) ?? begin);
    return [{ buffer, first: begin, last: end, bytes: bytes.get(buffer.id) ?? 0 }];
  });
}

function assignSlots(lifetimes: readonly Lifetime[]): ReadonlyMap<string, number> {
  const bySize = [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  const slots: { readonly bytes: number; readonly members: Lifetime[] }[] = [];
  const assigned = new Map<string, number>();
  for (const life of bySize) {
    let best = -1;
    for (const [i, slot] of slots.entries()) {
      const smaller = best < 0 || slot.bytes < (slots[best]?.bytes ?? 0);
      if (smaller && isFree(slot.members, life)) best = i;
    }
    if (best < 0) {
      best = slots.length;
      slots.push({ bytes: life.bytes, members: [] });
    }
    const members = slots[best]?.members;
    members?.splice(after(members, life), 0, life);
    assigned.set(life.buffer.id, best);
  }
  return assigned;
}

/** Whether no member of a slot lives at the same time. `members` are in the order of their lives. */
function isFree(members: readonly Lifetime[], life: Lifetime): boolean {
  const at = after(members, life);
  const [before, next] = [members[at - 1], members[at]];
  return (before === undefined || before.last < life.first) && (next === undefined || life.last < next.first);
}

/** How many members begin no later: most lives are looked at in the order in which they begin. */
function after(members: readonly Lifetime[], { first }: Lifetime): number {
  let [low, high] = [0, members.length];
  if (high > 0 && (members[high - 1]?.first ?? 0) <= first) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((members[middle]?.first ?? 0) <= first) low = middle + 1;
    else high = middle;
  }
  return low;
}

function report(
  buffers: readonly DraftBuffer[],
  slots: ReadonlyMap<string, number>,
  bytes: ReadonlyMap<string, number>,
): MemoryReport {
  const holders = new Map<string, { name: string; bytes: number }>();
  let weights = 0;
  let activations = 0;
  for (const buffer of buffers) {
    const size = bytes.get(buffer.id) ?? 0;
    const { kind } = buffer.storage;
    if (kind === "staging") continue;
    if (kind === "resident" || kind === "weight") {
      weights += size;
      holders.set(buffer.id, { name: buffer.label, bytes: size });
    } else if (kind === "host" || kind === "state") {
      activations += size;
      holders.set(buffer.id, { name: buffer.label, bytes: size });
    } else {
      const slot = slots.get(buffer.id);
      if (slot === undefined) continue;
      const key = `slot ${slot}`;
      const known = holders.get(key);
      if (known !== undefined && known.bytes >= size) continue;
      activations += size - (known?.bytes ?? 0);
      holders.set(key, { name: buffer.label, bytes: size });
    }
  }
  const sorted = [...holders.values()].sort((a, b) => b.bytes - a.bytes).slice(0, 10);
  return { weights, activations, total: weights + activations, holders: sorted };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
