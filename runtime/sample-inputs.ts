import { type Bindings, evaluateDim } from "../ir/dim.js";
import { TritcError } from "../ir/errors.js";
import { type LatentGeometry, type TokenGrid, valuesOf } from "../ir/models/index.js";
import type { Program, ProgramPort } from "../ir/program/program.js";
import { isOfText, OTHER_TXT_TOKENS } from "../ir/program/two-texts.js";
import type { SamplerName } from "../ir/sampling/rules/index.js";
import { coefficientPort, type Evaluation } from "../ir/sampling/update-rule.js";
import type { LoadedProgram } from "./device.js";
import { joinRows } from "./join-rows.js";
import { requireFinite } from "./not-finite.js";
import type { Schedule } from "./scheduler.js";

/** One picture to sample: everything the loop needs, in the transformer's own terms. */
export interface SampleRequest {
  readonly geometry: LatentGeometry;
  readonly schedule: Schedule;
  /** Initial noise, packed [imageTokens, packedChannels]. */
  readonly latents: Float32Array;
  /** [contextTokens, width] */
  readonly context: Float32Array;
  readonly contextTokens: number;
  /** Of these the first that a model with a mask of text is shown; all if absent. */
  readonly shownTokens?: number | undefined;
  readonly pooled: Float32Array;
  /** Guidance scale; ignored by models that take none. */
  readonly guidance: number;
  /** For models that are guided by two passes. */
  readonly twoPasses?: TwoPasses;
  /** [imageTokens, channels] what stands behind the latents in each row, for models that read more than they predict. */
  readonly condition?: Float32Array;
  /** Pictures to draw after, for models whose condition is `reference`. */
  readonly references?: References | undefined;
  /** What of a picture is not drawn over. */
  readonly kept?: KeptPicture | undefined;
  /** How the sample moves from step to step; Euler's method if absent. */
  readonly sampler?: SamplerName;
  /** What to try where the transformer's result is not finite; what an error says then. */
  readonly remedy?: string;
  /** Called after each step. */
  readonly onStep?: ((progress: StepProgress) => void) | undefined;
  /** Stops between steps: `sample` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Encoded pictures, which the model reads behind the latents and does not change. */
export interface References {
  /** [tokens, channels] packed, one picture after the other. */
  readonly latents: Float32Array;
  readonly grids: readonly TokenGrid[];
}

/** After each step the sample is this picture, at the step's noise level, where it is not drawn. All [imageTokens, packedChannels]. */
export interface KeptPicture {
  readonly image: Float32Array;
  readonly noise: Float32Array;
  /** 1 where it is drawn, 0 where the picture stays. */
  readonly drawn: Float32Array;
}

/** Guidance without an input for it: v = v(other) + scale·(v(prompt) − v(other)). */
export interface TwoPasses {
  /** What the second pass reads in the place of the prompt's. */
  readonly context: Float32Array;
  readonly contextTokens: number;
  readonly shownTokens?: number | undefined;
  readonly pooled: Float32Array;
  readonly scale: number;
  /** Whether there is memory for both passes at once, which take the program `form` at these sizes; what the device says if absent. */
  readonly roomFor?: ((form: Program, sizes: Bindings) => boolean) | undefined;
}

export interface StepProgress {
  /** Steps done and steps in all. */
  readonly step: number;
  readonly steps: number;
}

/** The program as it is bound for two texts, and the second of them. */
export interface BothTexts {
  readonly form: Program;
  readonly other: Pick<TwoPasses, "context" | "contextTokens" | "shownTokens" | "pooled">;
}

/** Writes other latents. */
export type Give = (latents: Float32Array) => void;

/** Whether references are inputs of their own, whose keys and values are computed once per prompt. */
export function cachesReferences({ inputs }: Program): boolean {
  return inputs.some(({ role }) => role === "reference-latents");
}

const GIVEN = "check where these values come from: no network can make a picture of them";

/**
 * Binds a program to a picture's sizes, and writes all that goes in; what it returns writes other latents. With `both`, the
 * request's text is the first of two. Throws TRITC_E_INPUT_SHAPE and TRITC_E_NOT_FINITE.
 */
export async function giveInputs(
  loaded: LoadedProgram,
  program: Program,
  request: SampleRequest,
  evaluations: readonly Evaluation[],
  both?: BothTexts,
): Promise<Give> {
  const { model, buffers, inputs } = both?.form ?? program;
  if (model === null) throw new Error("only a recognized model is sampled");
  const { schedule } = request;
  const { grids = [], latents: own = new Float32Array() } = request.references ?? {};
  const apart = cachesReferences(program);
  const bindings = sizesOf(program, request, evaluations, both?.other);
  await loaded.bind(bindings, both?.form);
  const dtypes = new Map(buffers.map((b) => [b.id, b.dtype]));
  const write = (port: ProgramPort, values: Float32Array) => {
    const count = port.shape.reduce<number>((n, d) => n * evaluateDim(d, bindings), 1);
    if (values.length !== count) {
      throw new TritcError({
        code: "TRITC_E_INPUT_SHAPE",
        message: `the bundle's input ${port.name} does not take this picture's ${port.role}`,
        expected: `${count} values for shape [${port.shape.join(", ")}]`,
        found: `${values.length} values`,
        remedy:
          "compile the model for this resolution and text length, or run it with the pipeline it came from",
      });
    }
    requireFinite(values, {
      place: port.name,
      what: `what the sampler was given as ${port.role}`,
      remedy: GIVEN,
    });
    loaded.write(port.buffer, dtypes.get(port.buffer) === "i32" ? Int32Array.from(values) : values);
  };

  const sample = {
    ...request,
    model,
    ...(apart ? { apart: { latents: own, grids }, references: [] } : { references: grids }),
    latents: rowsOf(request, apart),
    timesteps: Float32Array.from(evaluations, ({ at }) => schedule.modelTimesteps[at] ?? 0),
  };
  const values = valuesOf(sample);
  const others = both && valuesOf({ ...sample, shownTokens: undefined, ...both.other });
  for (const port of inputs) {
    if (port.role === "coefficient") write(port, coefficientsOf(evaluations, port));
    else if (port.role !== null) {
      const own = values(port.role);
      write(port, others !== undefined && isOfText(port) ? joined(own, others(port.role)) : own);
    }
  }
  const latents = inputs.find(({ role }) => role === "latents");
  return (values) => {
    if (latents !== undefined) write(latents, rowsOf({ ...request, latents: values }, apart));
  };
}

/** Sizes of a program's symbols for a picture; with `other`, of its form for two texts. */
export function sizesOf(
  program: Program,
  { geometry, references, contextTokens }: SampleRequest,
  evaluations: readonly Evaluation[],
  other?: BothTexts["other"],
): Bindings {
  const tokens = (references?.grids ?? []).reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const apart = cachesReferences(program);
  return {
    img_tokens: geometry.imageTokens + (apart ? 0 : tokens),
    ...(apart ? { ref_tokens: tokens } : {}),
    txt_tokens: contextTokens,
    ...(other === undefined ? {} : { [OTHER_TXT_TOKENS]: other.contextTokens }),
    steps: evaluations.length,
  };
}

/** The rows that the model reads: the sample's channels, then the condition's; then the rows of references, unless they lie apart. */
function rowsOf({ latents, condition, references, geometry }: SampleRequest, apart: boolean): Float32Array {
  const own = condition === undefined ? latents : joinRows(latents, condition, geometry.imageTokens);
  if (references === undefined || apart) return own;
  return joined(own, references.latents);
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** A coefficient for every evaluation, rounded once to f32; 0 where the update takes none. */
function coefficientsOf(evaluations: readonly Evaluation[], { name }: ProgramPort): Float32Array {
  return Float32Array.from(evaluations, ({ coefficients }) => {
    const found = Object.entries(coefficients).find(([own]) => coefficientPort(own) === name);
    return found?.[1] ?? 0;
  });
}
