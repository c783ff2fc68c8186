import { type Decoder, tagged } from "../format/decode.js";
import type { LatentLayout, ModelFamily, ModelInput } from "./family.js";
import type { Flux1Description } from "./flux1/description.js";
import { flux1 } from "./flux1/index.js";
import type { Flux1Input } from "./flux1/inputs.js";

export type { LatentGeometry, LatentLayout } from "./family.js";
export { requireLatents } from "./require-latents.js";
export { IMG_TOKENS, TXT_TOKENS } from "./tokens.js";

/** A transformer of a known family, as it was found by structure. */
export type ModelDescription = Flux1Description;
/** The part that an input plays in a transformer of some family. */
export type InputRole = Flux1Input;

const FAMILIES: Readonly<Record<ModelDescription["family"], ModelFamily<ModelDescription, InputRole>>> = {
  flux1,
};

/** How FLUX.1 packs latents: what pipelines take for granted where they are opened without a model. */
export const DEFAULT_LATENTS: LatentLayout = flux1.latents;

/** What is true of all models of this one's family. */
export function familyOf({ family }: ModelDescription): ModelFamily<ModelDescription, InputRole> {
  return FAMILIES[family];
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
