import type { NetworkConfig } from "../config.js";
import type { NetworkPart } from "../part.js";

/** The symbol of the tokens that a text encoder gets. */
export const TOKENS = "tokens";
/** The most of them that there are positions and distances for. No pipeline gives more than 512. */
export const MOST_TOKENS = 4096;
/** Inputs, i64 [1, tokens]. */
export const INPUT_IDS = "input_ids";
export const ATTENTION_MASK = "attention_mask";

export type TextNetwork = Pick<NetworkPart, "build" | "sizes">;

/** A kind of text encoder. */
export interface TextNetworkKind {
  /** What people call it. */
  readonly title: string;
  /** `model_type` of its configurations. */
  readonly modelTypes: readonly string[];
  /** Looks at the configuration. Throws TRITC_E_NETWORK, TRITC_E_CHECKPOINT. */
  open(folder: string, config: NetworkConfig, className: string): TextNetwork;
}
