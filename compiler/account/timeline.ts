import type { Bindings } from "../../ir/dim.js";
import { launchesThatRun, stepLaunches } from "../../ir/program/phases.js";
import type { Launch, Program } from "../../ir/program/program.js";
import { elementBytes } from "../../targets/memory/buffers.js";

/** What is alive during a launch, in bytes; slots and alignment not counted. */
export interface Moment {
  readonly label: string;
  readonly kernel: string;
  /** Inputs of the program, and what samplers keep. */
  readonly inputs: number;
  /** What `prompt` computed for the steps: modulation of all steps, rotary tables, embedded text. */
  readonly hoisted: number;
  /** Values of this step that a later launch still reads. */
  readonly values: number;
  /** The largest holders of `values`, largest first. */
  readonly holders: readonly { readonly buffer: string; readonly bytes: number }[];
}

/** What activations are alive at each launch of a step of the default sampler. */
export function stepTimeline(program: Program, bindings: Bindings): readonly Moment[] {
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const outputs = new Set(program.outputs.map((port) => port.buffer));
  const prompt = launchesThatRun(program, "prompt");
  const all = [...prompt, ...stepLaunches(program)];
  const begin = prompt.length;
  const writes = (launch: Launch, i: number) => kernels.get(launch.kernel)?.args[i]?.access !== "read";
  const [first, last] = [new Map<string, number>(), new Map<string, number>()];
  const early = new Set<string>();
  for (const [time, launch] of all.entries()) {
    for (const [i, { buffer }] of launch.args.entries()) {
      if (!first.has(buffer)) first.set(buffer, time);
      last.set(buffer, outputs.has(buffer) ? all.length : time);
      if (time < begin && writes(launch, i)) early.add(buffer);
    }
  }
  const sized = program.buffers.map((buffer) => ({
    id: buffer.id,
    kind: buffer.storage.kind,
    bytes: elementBytes(buffer, bindings),
  }));
  const sum = (buffers: readonly { readonly bytes: number }[]) =>
    buffers.reduce((total, { bytes }) => total + bytes, 0);
  const inputs = sum(sized.filter(({ kind }) => kind === "host" || kind === "state"));
  const lasting = ({ id, kind }: { readonly id: string; readonly kind: string }) =>
    kind === "arena" && early.has(id) && (last.get(id) ?? 0) >= begin;
  const hoisted = sum(sized.filter(lasting));
  const own = sized.filter((buffer) => buffer.kind === "arena" && !early.has(buffer.id));
  return all.slice(begin).map((launch, i): Moment => {
    const time = begin + i;
    const live = own.filter(({ id }) => (first.get(id) ?? Infinity) <= time && time <= (last.get(id) ?? -1));
    const holders = [...live].sort((a, b) => b.bytes - a.bytes).slice(0, 8);
    return {
      label: launch.label,
      kernel: launch.kernel,
      inputs,
      hoisted,
      values: sum(live),
      holders: holders.map(({ id, bytes }) => ({ buffer: id, bytes })),
    };
  });
}
