import { parseGraph } from "../ir/graph/parse.js";
import { interpret } from "../ir/interpret/index.js";
import { phasesThatRun } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { UPDATE_RULES } from "../ir/sampling/rules/index.js";
import type { Evaluation, Update } from "../ir/sampling/update-rule.js";
import type { Tensor } from "../ir/tensor.js";
import type { LoadedProgram } from "./device.js";
import { noised } from "./noise.js";
import { requireFinite } from "./not-finite.js";
import { type Give, giveInputs, type KeptPicture, type SampleRequest } from "./sample-inputs.js";

/** What the scale makes of both velocities. */
export function guidedBy(scale: number, prompt: Float32Array, other: Float32Array): Float32Array {
  return other.map((v, k) => v + scale * ((prompt[k] ?? 0) - v));
}

/** One picture on its way. */
export interface HostRun {
  readonly loaded: LoadedProgram;
  readonly program: Program;
  readonly request: SampleRequest;
  readonly evaluations: readonly Evaluation[];
}

const UPDATES: ReadonlyMap<string, Update> = new Map(
  Object.values(UPDATE_RULES).flatMap(({ updates }) => updates.map((update) => [update.name, update])),
);

/** The velocity of latents at an evaluation, by one pass or by two. */
export function velocitiesOf(
  run: HostRun,
): (evaluation: number, latents: Float32Array) => Promise<Float32Array> {
  const { loaded, program, request, evaluations } = run;
  const { twoPasses } = request;
  const texts = twoPasses === undefined ? [request] : [request, twoPasses];
  const [velocity] = program.outputs;
  let prepared: { readonly text: number; readonly give: Give } | undefined;
  return async (evaluation, latents) => {
    // The text that is prepared goes first: each is prepared once in two evaluations.
    const order = prepared?.text === 1 ? [...texts.entries()].reverse() : texts.entries();
    const velocities: Float32Array[] = [];
    for (const [text, { context, contextTokens, pooled }] of order) {
      // A device that computes on this thread never lets an event in by itself.
      await new Promise((resolve) => setTimeout(resolve, 0));
      request.signal?.throwIfAborted();
      if (prepared?.text === text) prepared.give(latents);
      else {
        const asked = { ...request, context, contextTokens, pooled, latents };
        prepared = { text, give: await giveInputs(loaded, program, asked, evaluations) };
        await loaded.run(phasesThatRun(program, "prompt"), 0);
      }
      await loaded.run(phasesThatRun(program, "step"), evaluation);
      const rows = await loaded.read(velocity?.buffer ?? "");
      // What the model makes of references behind the latents is left out.
      velocities[text] = Float32Array.from(rows.subarray(0, request.latents.length));
    }
    const [prompt = new Float32Array(), other] = velocities;
    return twoPasses === undefined || other === undefined ? prompt : guidedBy(twoPasses.scale, prompt, other);
  };
}

/**
 * The final latents of a sample whose velocities meet on the host, as those of two passes do, or which is not all that the
 * model reads. The updates' graphs, small as they are, run in the interpreter.
 */
export async function denoiseOnHost(run: HostRun): Promise<Float32Array> {
  const { request, evaluations } = run;
  const { geometry, latents, schedule } = request;
  const shape = [geometry.imageTokens, latents.length / geometry.imageTokens] as const;
  const kept = new Map<string, Float32Array>([["sample", latents]]);
  const steps = (evaluations.at(-1)?.step ?? -1) + 1;
  const velocityAt = velocitiesOf(run);
  for (const [i, { step, update, coefficients }] of evaluations.entries()) {
    const velocity = await velocityAt(i, kept.get("sample") ?? latents);
    requireFinite(velocity, {
      place: `step ${step + 1} of ${steps}`,
      what: "what the transformer predicts",
      remedy: request.remedy ?? "run `tritc verify` on the bundle",
    });
    applyUpdate(update, kept, velocity, coefficients, shape);
    if (evaluations[i + 1]?.step === step) continue;
    const sample = kept.get("sample");
    if (request.kept !== undefined && sample !== undefined) {
      kept.set("sample", keep(request.kept, sample, schedule.sigmas[step + 1] ?? 0));
    }
    request.onStep?.({ step: step + 1, steps });
  }
  return kept.get("sample") ?? latents;
}

/** The sample where it is drawn, elsewhere the picture at a noise level. */
function keep({ image, noise, drawn }: KeptPicture, sample: Float32Array, sigma: number): Float32Array {
  const old = noised(image, noise, sigma);
  return sample.map((value, k) => (1 - (drawn[k] ?? 0)) * (old[k] ?? 0) + (drawn[k] ?? 0) * value);
}

function applyUpdate(
  name: string,
  kept: Map<string, Float32Array>,
  velocity: Float32Array,
  coefficients: Readonly<Record<string, number>>,
  shape: readonly [rows: number, channels: number],
): void {
  const [, channels] = shape;
  const update = UPDATES.get(name);
  if (update === undefined) throw new Error(`there is no update ${name}`);
  const graph = parseGraph(update.graph, name);
  const inputs = graph.inputs.map((id): [string, Tensor] => {
    const coefficient = coefficients[id];
    // A gate has an element for each channel.
    if (coefficient !== undefined) {
      const data = new Float32Array(channels).fill(coefficient);
      return [id, { dtype: "f32", shape: [1, channels], data }];
    }
    const data = id === "velocity" ? velocity : kept.get(id);
    return [id, { dtype: "f32", shape, data: data ?? new Float32Array(velocity.length) }];
  });
  const results = interpret(graph, new Map(inputs), { reader: NO_FILES });
  for (const [i, id] of graph.outputs.entries()) {
    const data = results.get(id)?.data;
    if (data !== undefined) kept.set(update.writes[i] ?? "", Float32Array.from(data, Number));
  }
}

/** Updates have no constants that lie in files. */
const NO_FILES = {
  read(): never {
    throw new Error("an update reads no file");
  },
};
