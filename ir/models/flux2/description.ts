import { type Decoder, nothing, object, oneOf } from "../../format/decode.js";
import { type FluxDescription, fluxDescription } from "../flux/description.js";
import { FLUX2_INPUTS } from "./inputs.js";

/** A FLUX.2 transformer as found by structure. */
export interface Flux2Description extends FluxDescription {
  readonly family: "flux2";
  /** The text has no summary. */
  readonly pooledDim: null;
}

export const flux2Description: Decoder<Flux2Description> = object<Flux2Description>({
  ...fluxDescription(FLUX2_INPUTS),
  family: oneOf("flux2"),
  pooledDim: nothing,
});
