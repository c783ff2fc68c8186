import { type Decoder, index, object, oneOf } from "../../format/decode.js";
import { type FluxDescription, fluxDescription } from "../flux/description.js";
import { FLUX1_INPUTS } from "./inputs.js";

/** A FLUX.1 transformer as found by structure. */
export interface Flux1Description extends FluxDescription {
  readonly family: "flux1";
  /** Width of the summary of the text. */
  readonly pooledDim: number;
}

export const flux1Description: Decoder<Flux1Description> = object<Flux1Description>({
  ...fluxDescription(FLUX1_INPUTS),
  family: oneOf("flux1"),
  pooledDim: index,
});
