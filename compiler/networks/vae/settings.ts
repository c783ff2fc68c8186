import { JsonNumber } from "../../../ir/format/strict-json.js";
import type { NetworkConfig } from "../config.js";

/** The architectures of VAEs that are built. */
const CLASSES = ["AutoencoderKL", "AutoencoderKLFlux2"] as const;
/** 2^(levels - 1) pixels to a latent: more is damage. */
const MOST_LEVELS = 8;
const MOST_LAYERS = 64;
/** Pixels that a packed latent of FLUX.2 has besides, along both axes. */
export const PATCH = 2;

/** What a VAE's `config.json` says of its two networks. */
export interface VaeSettings {
  /** Of FLUX.2's statistics of latents, which its networks apply themselves; null where there are none. */
  readonly statistics: { readonly epsilon: number } | null;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Channels of each level of the encoder, from the largest pictures to the smallest. */
  readonly encoderChannels: readonly number[];
  /** The same of the decoder. */
  readonly decoderChannels: readonly number[];
  /** Residual blocks of a level of the encoder; the decoder has one more. */
  readonly layers: number;
  /** Groups of every norm. */
  readonly groups: number;
  readonly attention: boolean;
  /** Whether a convolution of single pixels follows the encoder. */
  readonly quantConv: boolean;
  /** Whether one precedes the decoder. */
  readonly postQuantConv: boolean;
}

/** Throws TRITC_E_NETWORK for what is not built, TRITC_E_CHECKPOINT for what cannot be. */
export function vaeSettings(config: NetworkConfig): VaeSettings {
  const className = CLASSES.find((name) => name === config.text("_class_name"));
  if (className === undefined) throw config.unbuilt("_class_name", CLASSES.join(" or "));
  const isFlux2 = className === "AutoencoderKLFlux2";
  config.word("act_fn", "silu", ["silu", "swish"]);
  for (const key of ["latents_mean", "latents_std"])
    if (config.has(key)) throw config.unbuilt(key, "null, as in the VAEs of FLUX");
  const groups = config.count("norm_num_groups", 32);
  const encoderChannels = channelsOf(config, "block_out_channels", groups);
  const own = "decoder_block_out_channels";
  const decoderChannels = config.has(own) ? channelsOf(config, own, groups) : encoderChannels;
  if (decoderChannels.length !== encoderChannels.length)
    throw config.refuse(own, `${encoderChannels.length} numbers, as block_out_channels has`);
  requireBlocks(config, "down_block_types", "DownEncoderBlock2D", encoderChannels.length);
  requireBlocks(config, "up_block_types", "UpDecoderBlock2D", encoderChannels.length);
  if (config.has("patch_size") && `${numbersOf(config, "patch_size")}` !== `${[PATCH, PATCH]}`)
    throw config.unbuilt("patch_size", `[${PATCH}, ${PATCH}]`);
  return {
    statistics: isFlux2 ? { epsilon: config.positive("batch_norm_eps", 1e-4) } : null,
    inChannels: config.count("in_channels", 3),
    outChannels: config.count("out_channels", 3),
    latentChannels: config.count("latent_channels", isFlux2 ? 32 : 4),
    encoderChannels,
    decoderChannels,
    layers: config.count("layers_per_block", isFlux2 ? 2 : 1, MOST_LAYERS),
    groups,
    attention: config.flag("mid_block_add_attention", true),
    quantConv: config.flag("use_quant_conv", true),
    postQuantConv: config.flag("use_post_quant_conv", true),
  };
}

/** Pixels along one side of what is a row of the latents that a transformer takes. */
export function pixelsPerLatent({ encoderChannels, statistics }: VaeSettings): number {
  return 2 ** (encoderChannels.length - 1) * (statistics === null ? 1 : PATCH);
}

function channelsOf(config: NetworkConfig, key: string, groups: number): readonly number[] {
  const channels = numbersOf(config, key);
  const fits = channels.length > 0 && channels.length <= MOST_LEVELS;
  if (!fits || channels.some((count) => count % groups !== 0))
    throw config.refuse(key, `1 to ${MOST_LEVELS} multiples of norm_num_groups, ${groups}`);
  return channels;
}

/** A list of whole numbers above 0. */
function numbersOf(config: NetworkConfig, key: string): readonly number[] {
  const value = config.value(key);
  const items = Array.isArray(value) ? value : [];
  const numbers = items.map((item) => (item instanceof JsonNumber ? item.toIndex() : undefined));
  const whole = numbers.filter((number) => number !== undefined && number > 0 && number < 1 << 16);
  if (!Array.isArray(value) || whole.length < numbers.length)
    throw config.refuse(key, "a list of whole numbers above 0");
  return whole as readonly number[];
}

function requireBlocks(config: NetworkConfig, key: string, type: string, count: number): void {
  const value = config.value(key);
  const types = Array.isArray(value) ? value : [];
  if (types.length !== count || types.some((found) => found !== type))
    throw config.unbuilt(key, `${type}, ${count} times`);
}
