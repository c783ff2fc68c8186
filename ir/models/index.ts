import { type Decoder, tagged } from "../format/decode.js";
import type { ChromaDescription } from "./chroma/description.js";
import { chroma } from "./chroma/index.js";
import type { LatentLayout, ModelFamily, ModelInput, PipelineForm, SampleInputs } from "./family.js";
import type { FluxInput } from "./flux/inputs.js";
import type { Flux1Description } from "./flux1/description.js";
import { flux1 } from "./flux1/index.js";
import type { Flux2Description } from "./flux2/description.js";
import { flux2 } from "./flux2/index.js";

export { type LatentGeometry, type LatentLayout, type PipelineForm, TEXT_NETWORKS } from "./family.js";
export type { FluxDescription } from "./flux/description.js";
export type { PictureSize, ReferenceRules, TokenGrid } from "./references.js";
export { requireLatents } from "./require-latents.js";
export { IMG_TOKENS, REF_TOKENS, TXT_TOKENS } from "./tokens.js";

/** A transformer of a known family, as it was found by structure. */
export type ModelDescription = Flux1Description | Flux2Description | ChromaDescription;
/** The part that an input plays in a transformer of some family. */
export type InputRole = FluxInput;

/** Some family, which has some of the parts. */
interface KnownFamily extends Omit<ModelFamily<ModelDescription, InputRole>, "inputs" | "values"> {
  readonly inputs: Readonly<Partial<Record<InputRole, ModelInput>>>;
  values(sample: SampleInputs<ModelDescription>): Readonly<Partial<Record<InputRole, Float32Array>>>;
}

const FAMILIES: Readonly<Record<ModelDescription["family"], KnownFamily>> = { flux1, flux2, chroma };

/** How FLUX.1 packs latents: what pipelines take for granted where they are opened without a model. */
export const DEFAULT_LATENTS: LatentLayout = flux1.latents;

/** The pipelines of FLUX.1: what is taken for granted where they are opened without a model. */
export const DEFAULT_PIPELINE: PipelineForm = flux1.pipeline;

/** The form of the pipelines that a class of Diffusers is one of, if it is known. */
export function pipelineFormOf(className: string): PipelineForm | undefined {
  return Object.values(FAMILIES).find(({ pipeline }) => pipeline.owns(className))?.pipeline;
}

/** Whether a model that is sampled with guidance reads no scale of it: it is evaluated with the prompt and without. */
export function guidesByTwoPasses(model: ModelDescription, guidance: number | null): boolean {
  return guidance !== null && !model.guidance;
}

/** What is true of all models of this one's family. */
export function familyOf({ family }: ModelDescription): KnownFamily {
  return FAMILIES[family];
}

/** What each input of a model is given for a picture, by the part it plays, which has to be one of the family's. */
export function valuesOf(sample: SampleInputs<ModelDescription>): (role: InputRole) => Float32Array {
  const values = familyOf(sample.model).values(sample);
  return (role) => {
    const value = values[role];
    if (value === undefined) throw new Error(`${sample.model.family} has no input that is its ${role}`);
    return value;
  };
}

const INPUTS: Readonly<Record<InputRole, ModelInput>> = Object.assign(
  {},
  ...Object.values(FAMILIES).map(({ inputs }) => inputs),
);

/** Every part that an input may play. */
export const INPUT_ROLES = Object.keys(INPUTS) as InputRole[];

/** What is true of inputs that play a part. */
export function inputOf(role: InputRole): ModelInput {
  return INPUTS[role];
}

/** The part that an input of a graph plays; null where it plays none. */
export function roleOf(model: ModelDescription | null | undefined, input: string): InputRole | null {
  const roles = model?.roles;
  return roles !== undefined && Object.hasOwn(roles, input) ? (roles[input] ?? null) : null;
}

export const modelDescription: Decoder<ModelDescription> = tagged(
  "family",
  Object.fromEntries(Object.entries(FAMILIES).map(([name, { description }]) => [name, description])),
);
