import { type Bindings, type Dim, evaluateDim } from "../../ir/dim.js";
import { byteLength } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import type { Launch, ProgramBuffer } from "../../ir/program/program.js";
import { launchWordBytes } from "../../targets/cpu/memory.js";

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
  const words = new Uint32Array(launchWordBytes(launch, context.scalars.length) / 4);
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
    words[1 + 2 * i] = address + byteLength(buffer.dtype, value(arg.offset));
    words[2 + 2 * i] = value(arg.rowStride);
    const stepBytes = byteLength(buffer.dtype, value(arg.stepStride));
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
