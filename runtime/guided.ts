import { TritcError } from "../ir/errors.js";
import { phasesThatRun } from "../ir/program/phases.js";
import type { Program } from "../ir/program/program.js";
import { forTwoTexts } from "../ir/program/two-texts.js";
import type { Evaluation } from "../ir/sampling/update-rule.js";
import { applyUpdate } from "./apply-update.js";
import type { LoadedProgram } from "./device.js";
import { noised } from "./noise.js";
import { requireFinite } from "./not-finite.js";
import {
  type Give,
  giveInputs,
  type KeptPicture,
  type SampleRequest,
  sizesOf,
  type TwoPasses,
} from "./sample-inputs.js";

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

/** The velocity of latents at an evaluation. */
type VelocityAt = (evaluation: number, latents: Float32Array) => Promise<Float32Array>;

/** The velocity of latents at an evaluation, by one pass or by two: both in one run where there is memory for it. */
export function velocitiesOf(run: HostRun): VelocityAt {
  const { twoPasses } = run.request;
  let begun: VelocityAt | undefined;
  return async (evaluation, latents) => {
    begun ??=
      twoPasses === undefined
        ? await onePass(run, latents)
        : ((await bothPasses(run, twoPasses, latents)) ?? oneAfterTheOther(run, twoPasses));
    return begun(evaluation, latents);
  };
}

/** Lets events in, which a device that computes on this thread never does by itself. */
async function pause({ signal }: SampleRequest): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal?.throwIfAborted();
}

/** What a program whose text is prepared predicts. */
function evaluating({ loaded, program, request }: HostRun, give: Give): VelocityAt {
  const [velocity] = program.outputs;
  return async (evaluation, latents) => {
    await pause(request);
    give(latents);
    await loaded.run(phasesThatRun(program, "step"), evaluation);
    return Float32Array.from(await loaded.read(velocity?.buffer ?? ""));
  };
}

async function onePass(run: HostRun, latents: Float32Array): Promise<VelocityAt> {
  const { loaded, program, request, evaluations } = run;
  const give = await giveInputs(loaded, program, { ...request, latents }, evaluations);
  await loaded.run(phasesThatRun(program, "prompt"), 0);
  const velocityAt = evaluating(run, give);
  return async (evaluation, latents) => ofSample(await velocityAt(evaluation, latents), 0, request);
}

/** Both passes as one program; undefined where memory is short, or the program has no form for two texts. */
async function bothPasses(
  run: HostRun,
  other: TwoPasses,
  latents: Float32Array,
): Promise<VelocityAt | undefined> {
  const { loaded, program, request, evaluations } = run;
  const form = forTwoTexts(program);
  if (form === undefined || other.roomFor?.(form, sizesOf(program, request, evaluations, other)) === false)
    return undefined;
  try {
    const give = await giveInputs(loaded, program, { ...request, latents }, evaluations, { form, other });
    await loaded.run(phasesThatRun(program, "prompt"), 0);
    const velocitiesAt = evaluating(run, give);
    return async (evaluation, latents) => {
      const both = await velocitiesAt(evaluation, latents);
      const [prompt, second] = [0, both.length / 2].map((from) => ofSample(both, from, request));
      return guidedBy(other.scale, prompt ?? both, second ?? both);
    };
  } catch (error) {
    if (isShortage(error)) return undefined;
    throw error;
  }
}

function oneAfterTheOther(run: HostRun, twoPasses: TwoPasses): VelocityAt {
  const { request } = run;
  const texts = [request, twoPasses];
  let prepared: { readonly text: number; readonly velocityAt: VelocityAt } | undefined;
  return async (evaluation, latents) => {
    // The text that is prepared goes first: each is prepared once in two evaluations.
    const order = prepared?.text === 1 ? [...texts.entries()].reverse() : texts.entries();
    const velocities: Float32Array[] = [];
    for (const [text, { context, contextTokens, shownTokens, pooled }] of order) {
      if (prepared?.text !== text) {
        await pause(request);
        const own = { context, contextTokens, shownTokens, pooled };
        const asked = { ...run, request: { ...request, ...own } };
        prepared = { text, velocityAt: await onePass(asked, latents) };
      }
      velocities[text] = await prepared.velocityAt(evaluation, latents);
    }
    const [prompt = new Float32Array(), other = prompt] = velocities;
    return guidedBy(twoPasses.scale, prompt, other);
  };
}

/** The sample's of one pass; what the model makes of references behind the latents is left out. */
function ofSample(rows: Float32Array, from: number, { latents }: SampleRequest): Float32Array {
  return rows.subarray(from, from + latents.length);
}

/** Whether a device has too little memory, or too low limits, for what it was asked for. */
function isShortage(error: unknown): boolean {
  return error instanceof TritcError && /^TRITC_E_(CPU|WEBGPU|CUDA)_(MEMORY|LIMIT)$/.test(error.code);
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
