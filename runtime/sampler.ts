import { TritcError } from "../ir/errors.js";
import { familyOf, type ModelDescription } from "../ir/models/index.js";
import { phasesThatRun, samplersOf } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { DEFAULT_SAMPLER, type SamplerName, UPDATE_RULES } from "../ir/sampling/rules/index.js";
import type { Evaluation, UpdateRule } from "../ir/sampling/update-rule.js";
import type { LoadedProgram } from "./device.js";
import { denoiseOnHost } from "./guided.js";
import { requireFinite } from "./not-finite.js";
import { cachesReferences, giveInputs, type SampleRequest } from "./sample-inputs.js";
import { sequencesOf } from "./turns.js";

/**
 * Runs the flow-match loop on the device, x += (sigma[i+1] − sigma[i])·v for Euler's method, and returns the final latents,
 * packed. Uploads happen before the loop, one download after it. Pictures of one program take turns.
 */
export function sample(
  loaded: LoadedProgram,
  program: Program,
  request: SampleRequest,
): Promise<Float32Array> {
  return sequencesOf(loaded).take(() => sampleAlone(loaded, program, request), request.signal);
}

async function sampleAlone(
  loaded: LoadedProgram,
  program: Program,
  request: SampleRequest,
): Promise<Float32Array> {
  requireSampler(program);
  const { schedule } = request;
  const evaluations = ruleOf(program, request.sampler).evaluations(schedule.sigmas);
  const { twoPasses, references, kept } = request;
  const behind = references !== undefined && !cachesReferences(program);
  if (twoPasses !== undefined || behind || kept !== undefined) {
    return denoiseOnHost({ loaded, program, request, evaluations });
  }
  const give = await giveInputs(loaded, program, request, evaluations);
  const latents = program.inputs.find((port) => port.role === "latents");
  const read = async () => sampleOf((await loaded.read(latents?.buffer ?? "")) as Float32Array, request);
  await denoise(loaded, program, request, evaluations);
  const found = await read();
  if (found.every(Number.isFinite) || latents === undefined) return found;
  // Once more with a look at each step, which would slow down pictures that come out well.
  give(request.latents);
  const [velocity] = program.outputs;
  await denoise(loaded, program, { ...request, onStep: undefined }, evaluations, async (step, steps) => {
    const values = await loaded.read(velocity?.buffer ?? "");
    requireFinite(Float32Array.from(values), {
      place: `step ${step + 1} of ${steps}`,
      what: "what the transformer predicts",
      remedy: request.remedy ?? "run `tritc verify` on the bundle",
    });
  });
  return read();
}

/** Throws TRITC_E_SAMPLER for one that the program does not have. */
function ruleOf(program: Program, sampler: SamplerName = DEFAULT_SAMPLER): UpdateRule {
  const samplers = samplersOf(program);
  if (samplers.includes(sampler)) return UPDATE_RULES[sampler];
  throw new TritcError({
    code: "TRITC_E_SAMPLER",
    message: "the bundle does not have this sampler",
    expected: samplers.join(", "),
    found: String(sampler),
    remedy: "choose one that it has, or compile the model again with this version",
  });
}

/** All evaluations and their updates; `look` after each, before the next begins. */
async function denoise(
  loaded: LoadedProgram,
  program: Program,
  request: Pick<SampleRequest, "signal" | "onStep">,
  evaluations: readonly Evaluation[],
  look?: (step: number, steps: number) => Promise<void>,
): Promise<void> {
  await loaded.run(phasesThatRun(program, "prompt"), 0);
  const model = phasesThatRun(program, "step");
  const steps = (evaluations.at(-1)?.step ?? -1) + 1;
  let yielded = performance.now();
  for (const [i, { step, update }] of evaluations.entries()) {
    // A device that computes on this thread never lets an event in by itself: not Ctrl-C, not a page's button.
    if (performance.now() - yielded > EVENT_INTERVAL) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      yielded = performance.now();
    }
    request.signal?.throwIfAborted();
    await loaded.run([...model, update], i);
    await look?.(step, steps);
    if (evaluations[i + 1]?.step !== step) request.onStep?.({ step: step + 1, steps });
  }
}

/** The sample's channels of the rows that the model reads. */
function sampleOf(rows: Float32Array, { latents, geometry }: SampleRequest): Float32Array {
  if (rows.length === latents.length) return rows;
  const [stride, channels] = [rows.length / geometry.imageTokens, latents.length / geometry.imageTokens];
  const sample = new Float32Array(latents.length);
  for (let row = 0; row < geometry.imageTokens; row++) {
    sample.set(rows.subarray(row * stride, row * stride + channels), row * channels);
  }
  return sample;
}

/** Events wait no longer than this or one step, in milliseconds. */
const EVENT_INTERVAL = 50;

/**
 * The model of a program that the sampler can run. Refuses others: it has values for one picture's latents, text and step alone.
 * Throws TRITC_E_NOT_A_SAMPLER.
 */
export function requireSampler(program: Program, place?: string): ModelDescription {
  const found = samplerProblem(program);
  if (typeof found === "string") throw notASampler(found, place);
  return found;
}

/** TRITC_E_NOT_A_SAMPLER for what was found instead. */
export function notASampler(found: string, place?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_NOT_A_SAMPLER",
    message: "this bundle cannot be sampled",
    ...(place === undefined ? {} : { place }),
    expected:
      "a FLUX transformer of one picture's latents, context, pooled text, timestep, guidance and ids alone",
    found,
    remedy:
      "tritc inspect <model> says what was recognized; tritc eval runs single passes of any bundle, with all of its inputs",
  });
}

/** The model, or what is there instead of one that can be sampled. */
function samplerProblem(program: Program): ModelDescription | string {
  const { inputs, model } = program;
  if (model === null) {
    const names = inputs.filter(({ role }) => role === null).map(({ name }) => name);
    return `a graph of generic operations, with the inputs ${names.join(", ")}`;
  }
  const parts = [...Object.keys(familyOf(model).inputs), "coefficient"];
  const foreign = inputs.filter(({ role }) => !parts.includes(role ?? "")).map(({ name }) => name);
  if (foreign.length > 0) return `inputs that the sampler has no values for: ${foreign.join(", ")}`;
  const latents = inputs.find(({ role }) => role === "latents");
  if (latents === undefined || samplersOf(program).length === 0) return "no input that takes the latents";
  const [batch = 1] = latents.shape.slice(0, -2);
  return batch === 1 ? model : `${latents.name} [${latents.shape.join(", ")}], a batch of ${batch}`;
}
