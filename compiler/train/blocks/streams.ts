import { existsSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ValueId } from "../../../ir/graph/graph.js";
import { countOf, type Tensor } from "../../../ir/tensor.js";
import type { Feeds } from "../engine/loop.js";
import type { Crossing } from "./pieces.js";

/** Values as the teacher computes them, or as the blocks do that have been trained. */
export type Stream = "teacher" | "student";

/**
 * Values between the blocks for a number of states, on disk: a file for each value and stream, one state after the other, in
 * f32. A file that is there is whole. Values that are the same for all states are in it once. What is made before the first
 * block that is trained is the teacher's in both streams.
 */
export class Streams {
  constructor(
    private readonly folder: string,
    private readonly crossings: ReadonlyMap<ValueId, Crossing>,
    readonly states: number,
    private readonly first: number,
  ) {}

  has(stream: Stream, id: ValueId): boolean {
    return existsSync(this.#path(stream, id));
  }

  async drop(stream: Stream, id: ValueId): Promise<void> {
    await rm(this.#path(stream, id), { force: true });
  }

  /** Writes values of all states, which come in batches of `size`; of the last one, those that are still missing. */
  async write(
    stream: Stream,
    ids: readonly ValueId[],
    size: number,
    batch: (i: number) => Promise<Feeds>,
  ): Promise<void> {
    const files: FileHandle[] = [];
    try {
      for (const id of ids) files.push(await open(temporary(this.#path(stream, id)), "w"));
      for (let i = 0; i * size < this.states; i++) {
        const values = await batch(i);
        const missing = Math.min(size, this.states - i * size);
        for (const [k, id] of ids.entries()) {
          const { perState } = this.#crossing(id);
          if (!perState && i > 0) continue;
          const data = floats(id, values.get(id));
          const part = data.subarray(0, perState ? (data.length / size) * missing : data.length);
          await files[k]?.writeFile(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
        }
      }
      for (const file of files) await file.sync();
    } finally {
      for (const file of files) await file.close();
    }
    for (const id of ids) await rename(temporary(this.#path(stream, id)), this.#path(stream, id));
  }

  /** Opens values, to be read for any states. */
  async open(stream: Stream, ids: readonly ValueId[]): Promise<StreamReader> {
    const files = new Map<ValueId, FileHandle>();
    const close = async () => {
      for (const file of files.values()) await file.close();
    };
    try {
      for (const id of ids) files.set(id, await open(this.#path(stream, id), "r"));
    } catch (error) {
      await close();
      throw error;
    }
    return {
      close,
      read: async (states) => {
        const values = new Map<ValueId, Tensor>();
        for (const [id, file] of files) values.set(id, await this.#read(id, file, states));
        return values;
      },
    };
  }

  async #read(id: ValueId, file: FileHandle, states: readonly number[]): Promise<Tensor> {
    const { shape, perState } = this.#crossing(id);
    const records = perState ? states : [0];
    const whole = perState ? [states.length, ...shape.slice(1)] : shape;
    const data = new Float32Array(countOf(whole));
    const length = data.byteLength / records.length;
    for (const [i, record] of records.entries()) {
      const bytes = new Uint8Array(data.buffer, i * length, length);
      const { bytesRead } = await file.read(bytes, 0, length, record * length);
      if (bytesRead !== length) throw new Error(`${id} of state ${record} is not there`);
    }
    return { dtype: "f32", shape: whole, data };
  }

  #crossing(id: ValueId): Crossing {
    const crossing = this.crossings.get(id);
    if (crossing === undefined) throw new Error(`${id} does not cross from block to block`);
    return crossing;
  }

  #path(stream: Stream, id: ValueId): string {
    const { index, madeBy } = this.#crossing(id);
    return join(this.folder, `${madeBy < this.first ? "teacher" : stream}-${index}.f32`);
  }
}

export interface StreamReader {
  /** The values of some states, as a batch. */
  read(states: readonly number[]): Promise<Map<ValueId, Tensor>>;
  close(): Promise<void>;
}

function temporary(path: string): string {
  return `${path}.tmp`;
}

function floats(id: ValueId, value: Tensor | undefined): Float32Array {
  if (value?.data instanceof Float32Array) return value.data;
  throw new Error(`${id} has no floats`);
}
