import { type Decoder, index, nothing, object, oneOf } from "../../format/decode.js";
import { type FluxDescription, fluxDescription } from "../flux/description.js";
import { CHROMA_INPUTS } from "./inputs.js";

/** A Chroma transformer as found by structure. */
export interface ChromaDescription extends FluxDescription {
  readonly family: "chroma";
  /** The text has no summary. */
  readonly pooledDim: null;
  /** Residual layers of the network that makes all modulations of the timestep. */
  readonly timeLayers: number;
}

export const chromaDescription: Decoder<ChromaDescription> = object<ChromaDescription>({
  ...fluxDescription(CHROMA_INPUTS),
  family: oneOf("chroma"),
  pooledDim: nothing,
  timeLayers: index,
});
