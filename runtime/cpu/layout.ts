import { type Bindings, type Dim, evaluateDim } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import { DEVICE_BYTES, type Launch, type Program, type ProgramBuffer } from "../../ir/program/program.js";

/** Cache lines do not straddle buffers, and 16-byte vector loads are aligned. */
const ALIGNMENT = 64;
const ADDRESS_LIMIT = 2 ** 32;

/** Hands out addresses upwards. */
export class AddressSpace {
  constructor(private next: number) {}

  get end(): number {
    return this.next;
  }

  take(bytes: number, what: string): number {
    const address = Math.ceil(this.next / ALIGNMENT) * ALIGNMENT;
    this.next = address + Math.ceil(bytes / 16) * 16;
    if (this.next > ADDRESS_LIMIT) {
      throw new TritcError({
        code: "TRITC_E_CPU_MEMORY",
        message: "the program does not fit into the 4 GiB that WebAssembly can address",
        place: what,
        found: `${(this.next / 2 ** 30).toFixed(2)} GiB`,
        remedy: "use a smaller resolution, or another target",
      });
    }
    return address;
  }
}

export function bufferBytes(buffer: ProgramBuffer, bindings: Bindings): number {
  return evaluateDim(buffer.elements, bindings) * DEVICE_BYTES[buffer.dtype];
}

/** Whether a buffer keeps its place from `load` on: its size depends on no symbol. */
export function isPersistent(buffer: ProgramBuffer): boolean {
  return buffer.storage.kind === "weight" || buffer.storage.kind === "resident";
}

/** Places arena and host buffers; members of an arena slot share the place of the largest. */
export function placeDynamic(program: Program, bindings: Bindings, space: AddressSpace): Map<string, number> {
  const slots = new Map<number, number>();
  for (const buffer of program.buffers) {
    if (buffer.storage.kind !== "arena") continue;
    const { slot } = buffer.storage;
    slots.set(slot, Math.max(slots.get(slot) ?? 0, bufferBytes(buffer, bindings)));
  }
  const slotAddress = new Map(
    [...slots].map(([slot, bytes]) => [slot, space.take(bytes, `arena slot ${slot}`)]),
  );
  const addresses = new Map<string, number>();
  for (const buffer of program.buffers) {
    const { storage } = buffer;
    if (storage.kind === "host")
      addresses.set(buffer.id, space.take(bufferBytes(buffer, bindings), buffer.id));
    else if (storage.kind === "arena") addresses.set(buffer.id, slotAddress.get(storage.slot) ?? 0);
  }
  return addresses;
}

/** A launch with its symbols replaced by numbers. */
export interface BoundLaunch {
  /** Words as `Launch` documents them, at step 0. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly tiles: number;
  /** Words that hold addresses which move from step to step, and by how many bytes. */
  readonly steps: readonly { readonly word: number; readonly bytes: number }[];
}

/** Everything `bindLaunch` looks up. */
export interface LaunchContext {
  readonly bindings: Bindings;
  readonly buffers: ReadonlyMap<string, ProgramBuffer>;
  readonly addresses: ReadonlyMap<string, number>;
  /** Types of the scalars of the launch's kernel. */
  readonly scalars: readonly string[];
}

export function bindLaunch(launch: Launch, context: LaunchContext): BoundLaunch {
  const value = (dim: Dim) => evaluateDim(dim, context.bindings);
  const words = new Uint32Array(1 + 2 * launch.args.length + launch.scalars.length);
  const floats = new Float32Array(words.buffer);
  const steps: { word: number; bytes: number }[] = [];
  words[0] = value(launch.rows);
  launch.args.forEach((arg, i) => {
    const buffer = context.buffers.get(arg.buffer);
    const address = context.addresses.get(arg.buffer);
    if (buffer === undefined || address === undefined) {
      throw new TritcError({
        code: "TRITC_E_PROGRAM",
        message: `the launch reads or writes ${arg.buffer}, which has no memory in this phase`,
        place: launch.label,
        remedy: "verify the bundle",
      });
    }
    const bytes = DEVICE_BYTES[buffer.dtype];
    words[1 + 2 * i] = address + value(arg.offset) * bytes;
    words[2 + 2 * i] = value(arg.rowStride);
    const stepBytes = value(arg.stepStride) * bytes;
    if (stepBytes !== 0) steps.push({ word: 1 + 2 * i, bytes: stepBytes });
  });
  launch.scalars.forEach((scalar, i) => {
    const at = 1 + 2 * launch.args.length + i;
    if (context.scalars[i] === "f32") floats[at] = value(scalar);
    else words[at] = value(scalar);
  });
  const tiles = launch.grid.reduce((count, axis) => count * Math.ceil(value(axis.size) / axis.tile), 1);
  return { words, tiles, steps };
}
