import type { TextPadding } from "../../ir/models/text-padding.js";
import type { PromptWeightsPolicy } from "../../ir/program/prompt-weights.js";
import type { Residency } from "../../ir/program/residency.js";
import type { SamplerName } from "../../ir/sampling/rules/index.js";
import type { Resolution } from "../resolutions.js";
import type { HubOptions } from "./hub-options.js";
import type { CommonOptions, DeviceOptions } from "./options.js";

/** What `run` and `compare` take. */
export interface SamplingOptions extends CommonOptions, DeviceOptions, HubOptions {
  readonly steps?: number | undefined;
  readonly sampler?: SamplerName;
  readonly guidance?: number | undefined;
  readonly textLength?: number | undefined;
  readonly seed: number;
  readonly resolution?: Resolution | undefined;
  readonly pipeline?: string;
}

/** What `run` takes. */
export interface RunOptions extends SamplingOptions {
  readonly promptWeights?: PromptWeightsPolicy;
  readonly residency?: Residency;
  readonly prompt?: string;
  readonly negativePrompt?: string | undefined;
  readonly trueCfgScale?: number | undefined;
  readonly textPadding?: TextPadding;
  readonly prompts?: string;
  readonly count?: number;
  readonly control?: string;
  readonly image?: readonly string[];
  readonly mask?: string;
  readonly strength?: number;
  readonly autoResize?: boolean;
  readonly latents?: string;
  readonly latentsOut?: string;
  readonly out: string;
}
