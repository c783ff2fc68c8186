import { programError } from "./error.js";
import type { Launch, Phase, Program, ProgramBuffer } from "./program.js";
import { placeOf } from "./verify-sizes.js";

/** One launch with what it does to buffers, in the order of execution. */
interface Moment {
  readonly phase: Phase;
  readonly index: number;
  readonly launch: Launch;
}

interface Lifetime {
  readonly buffer: ProgramBuffer;
  readonly slot: number;
  readonly first: number;
  /** Infinity for a buffer that a later step, or the host, reads again. */
  last: number;
}

/**
 * Checks when the buffers of a well-formed program are written and read. Throws TRITC_E_PROGRAM:
 *
 *  - what a launch reads was written: a weight, an input, or by an earlier launch in the order of the phases; so is every
 *    output. Weights are read
 *  - an update may be left out, so what it writes in the arena is its own: no other phase touches it
 *  - buffers of one arena slot do not live at the same time. A buffer lives from the first launch that touches it to
 *    the last one; what is written once per prompt and touched in a step, and every output, lives to the end of the run
 */
export function verifyOrder(program: Program): void {
  const buffers = new Map(program.buffers.map((buffer) => [buffer.id, buffer]));
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  const all = program.phases.flatMap((phase): readonly Moment[] =>
    phase.launches.map((launch, index) => ({ phase, index, launch })),
  );

  const written = new Set<string>(program.inputs.map((input) => input.buffer));
  for (const { id, storage } of program.buffers) if ("tensor" in storage) written.add(id);
  for (const { phase, index, launch } of all) {
    const args = kernels.get(launch.kernel)?.args ?? [];
    for (const [i, { name, access }] of args.entries()) {
      const id = launch.args[i]?.buffer ?? "";
      if (access === "write" || written.has(id)) continue;
      throw programError(
        `${placeOf(phase, index, launch)}, argument ${name}`,
        "it reads what nothing wrote",
        {
          expected: "a buffer that an input, a weight or an earlier launch fills",
          found: `buffer ${id}`,
        },
      );
    }
    for (const [i, { access }] of args.entries()) {
      if (access !== "read") written.add(launch.args[i]?.buffer ?? "");
    }
  }
  const read = new Set<string>();
  for (const { launch } of all) {
    for (const [i, { access }] of (kernels.get(launch.kernel)?.args ?? []).entries()) {
      if (access !== "write") read.add(launch.args[i]?.buffer ?? "");
    }
  }
  for (const { buffer } of program.outputs) read.add(buffer);
  for (const { id, storage } of program.buffers) {
    if ((storage.kind !== "resident" && !("tensor" in storage)) || read.has(id)) continue;
    throw programError(`buffer ${id}`, "it holds weights that nothing reads", { found: storage.kind });
  }
  for (const { name, buffer } of program.outputs) {
    if (!written.has(buffer)) {
      throw programError(`output ${name}`, "nothing writes it", { found: `buffer ${buffer}` });
    }
  }
  verifyUpdates(all, buffers, (launch, i) => kernels.get(launch.kernel)?.args[i]?.access !== "read");
  const run = all.filter(({ phase }) => phase.runs !== "load");
  verifySlots(program, run, buffers, (launch, i) => {
    return kernels.get(launch.kernel)?.args[i]?.access !== "read";
  });
}

function verifyUpdates(
  all: readonly Moment[],
  buffers: ReadonlyMap<string, ProgramBuffer>,
  writes: (launch: Launch, argument: number) => boolean,
): void {
  const own = new Map<string, Phase>();
  for (const { phase, launch } of all) {
    if (phase.runs !== "update") continue;
    for (const [i, { buffer: id }] of launch.args.entries())
      if (writes(launch, i) && buffers.get(id)?.storage.kind === "arena") own.set(id, phase);
  }
  for (const { phase, index, launch } of all) {
    const foreign = launch.args.find(({ buffer }) => (own.get(buffer) ?? phase) !== phase);
    if (foreign === undefined) continue;
    throw programError(
      placeOf(phase, index, launch),
      "it uses what an update writes, which may be left out",
      {
        expected: `nothing of ${own.get(foreign.buffer)?.name} but state`,
        found: `buffer ${foreign.buffer}`,
      },
    );
  }
}

function verifySlots(
  program: Program,
  run: readonly Moment[],
  buffers: ReadonlyMap<string, ProgramBuffer>,
  writes: (launch: Launch, argument: number) => boolean,
): void {
  const lifetimes = new Map<string, Lifetime>();
  const fromPrompt = new Set<string>();
  for (const [time, { phase, launch }] of run.entries()) {
    for (const [i, { buffer: id }] of launch.args.entries()) {
      const buffer = buffers.get(id);
      if (buffer?.storage.kind !== "arena") continue;
      const { slot } = buffer.storage;
      const life = lifetimes.get(id) ?? { buffer, slot, first: time, last: time };
      lifetimes.set(id, life);
      life.last =
        phase.runs !== "prompt" && fromPrompt.has(id) ? Number.POSITIVE_INFINITY : Math.max(life.last, time);
      if (phase.runs === "prompt" && writes(launch, i)) fromPrompt.add(id);
    }
  }
  for (const { buffer } of program.outputs) {
    const life = lifetimes.get(buffer);
    if (life !== undefined) life.last = Number.POSITIVE_INFINITY;
  }
  const holders = new Map<number, Lifetime>();
  for (const life of [...lifetimes.values()].sort((a, b) => a.first - b.first)) {
    const before = holders.get(life.slot);
    if (before !== undefined && before.last >= life.first) {
      const at = run[life.first];
      const until = run[before.last];
      throw programError(
        at === undefined ? `slot ${life.slot}` : placeOf(at.phase, at.index, at.launch),
        "two buffers that live at the same time share memory",
        {
          expected: `slot ${life.slot} free of ${before.buffer.id}, which is in use until ${
            until === undefined ? "the end of the run" : placeOf(until.phase, until.index, until.launch)
          }`,
          found: `buffer ${life.buffer.id} in the same slot`,
        },
      );
    }
    if (before === undefined || life.last > before.last) holders.set(life.slot, life);
  }
}
