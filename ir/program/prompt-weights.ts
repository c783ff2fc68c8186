import { launchesThatRun } from "./phases.js";
import type { Launch, Program } from "./program.js";

/**
 * Whether weights that only `prompt` reads stay on the device: kept, or read again for every prompt, each freed after
 * the launch that reads it.
 */
export type PromptWeightsPolicy = "keep" | "stream";

/** A launch of `prompt` and what has to be on the device for it alone. */
export interface PromptTurn {
  readonly launch: Launch;
  /** Tensors to upload as they are. */
  readonly weights: readonly string[];
  /** Buffers that `unpack` fills. */
  readonly residents: readonly string[];
  /** Launches of `load`, each with tensors of its own to stage. */
  readonly unpack: readonly Launch[];
}

/** How the weights of a program get to the device. */
export interface WeightSchedule {
  /** Buffers that take turns: they are on the device during a launch of `prompt` that reads them. */
  readonly streamed: ReadonlySet<string>;
  /** Launches of `load` that run once. */
  readonly load: readonly Launch[];
  /** Launches of `prompt` in order, if anything is streamed; else none. */
  readonly turns: readonly PromptTurn[];
}

/**
 * Weights that only `prompt` reads are those of time, text and modulation layers, a quarter of FLUX.1. Streamed, each
 * is uploaded, unpacked and freed around the one launch that reads it. A resident buffer qualifies if each launch of
 * `load` that fills it fills nothing else and reads nothing but staged tensors.
 */
export function scheduleWeights(program: Program, policy: PromptWeightsPolicy): WeightSchedule {
  const load = launchesThatRun(program, "load");
  if (policy === "keep") return { streamed: new Set(), load, turns: [] };
  const used = (launches: readonly Launch[]) =>
    new Set(launches.flatMap((launch) => launch.args.map((arg) => arg.buffer)));
  const prompt = launchesThatRun(program, "prompt");
  const [inPrompt, later] = [used(prompt), used(launchesThatRun(program, "step", "update"))];
  const outputs = new Set(program.outputs.map((port) => port.buffer));
  const kinds = new Map(program.buffers.map((buffer) => [buffer.id, buffer.storage.kind]));
  const candidates = new Set(
    [...inPrompt].filter((id) => {
      const kind = kinds.get(id);
      return (kind === "weight" || kind === "resident") && !later.has(id) && !outputs.has(id);
    }),
  );
  const fillers = new Map<string, Launch[]>();
  for (const launch of load) {
    const kept = launch.args.filter((arg) => kinds.get(arg.buffer) !== "staging");
    const targets = new Set(kept.map((arg) => arg.buffer));
    for (const id of targets) {
      if (targets.size > 1) candidates.delete(id);
      else fillers.set(id, [...(fillers.get(id) ?? []), launch]);
    }
  }
  const streamed = new Set([...candidates].filter((id) => kinds.get(id) === "weight" || fillers.has(id)));
  if (streamed.size === 0) return { streamed, load, turns: [] };
  const moved = new Set([...streamed].flatMap((id) => fillers.get(id) ?? []));
  const turns = prompt.map((launch): PromptTurn => {
    const needs = [...used([launch])].filter((id) => streamed.has(id));
    const residents = needs.filter((id) => kinds.get(id) === "resident");
    return {
      launch,
      weights: needs.filter((id) => kinds.get(id) === "weight"),
      residents,
      unpack: residents.flatMap((id) => fillers.get(id) ?? []),
    };
  });
  return { streamed, load: load.filter((launch) => !moved.has(launch)), turns };
}
