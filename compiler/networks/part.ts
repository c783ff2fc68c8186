import type { Bindings } from "../../ir/dim.js";
import type { Graph } from "../../ir/graph/graph.js";

/** The networks of a pipeline besides its transformer, by the names that exports give their folders. */
export const NETWORK_NAMES = ["text_encoder", "text_encoder_2", "vae_decoder", "vae_encoder"] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

/** The largest sizes that a pipeline is compiled for. */
export interface PlannedSizes {
  /** Text tokens that the transformer reads. */
  readonly textTokens: number;
  /** Of a picture, in pixels. */
  readonly height: number;
  readonly width: number;
}

/** A network that is built from its configuration and weights. */
export interface NetworkPart {
  readonly name: NetworkName;
  /** The folder with its `config.json` and weights. */
  readonly folder: string;
  /**
   * The network as a graph with the inputs and outputs of its ONNX export, for one sample; no weight is read. Throws
   * TRITC_E_CHECKPOINT, TRITC_E_NETWORK, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ.
   */
  build(): Graph;
  /** The largest values of the graph's symbols. */
  sizes(planned: PlannedSizes): Bindings;
  /** How the network goes over a picture in tiles; undefined where it takes its input as a whole. */
  readonly tiling?: Tiling;
}

export interface Tiling {
  /** Pixels along one side of a latent. */
  readonly pixels: number;
  /** The values of the symbols for a square of so many latents a side. */
  sizes(latents: number): Bindings;
}

/** A pipeline in Diffusers' layout. */
export interface PipelineFolder {
  readonly folder: string;
  /** `_class_name` of its `model_index.json`. */
  readonly className: string;
}
