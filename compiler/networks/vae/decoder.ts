import type { Graph } from "../../../ir/graph/graph.js";
import { LATENT_HEIGHT, LATENT_WIDTH, PictureBuilder } from "./picture-builder.js";
import { PATCH, type VaeSettings } from "./settings.js";
import type { VaeWeights } from "./weights.js";

/**
 * `latent_sample` [1, C, h, w] → `sample` [1, 3, 8h, 8w] in -1..1 (of 2^(levels - 1) pixels to a latent). FLUX.2's latents
 * come as its transformer leaves them, [1, 4·C, h, w] with 16 pixels to each: normalized, and packed two by two.
 */
export function vaeDecoder(name: string, settings: VaeSettings, weights: VaeWeights): Graph {
  const { statistics, latentChannels, decoderChannels, layers, outChannels } = settings;
  const b = new PictureBuilder(settings, weights);
  const packed = latentChannels * (statistics === null ? 1 : PATCH ** 2);
  let x = b.rows(b.input("latent_sample", [1, packed, LATENT_HEIGHT, LATENT_WIDTH]));
  if (statistics !== null) {
    const [deviation, mean] = b.statistics(statistics.epsilon);
    const scaled = b.node("bn.scaled", "binary", [x, deviation], { fn: "mul" });
    x = b.unpack("latents", b.node("bn.shifted", "binary", [scaled, mean], { fn: "add" }));
  }
  if (settings.postQuantConv) x = b.linear("post_quant_conv", x, latentChannels);
  const levels = decoderChannels.toReversed();
  const [smallest = 1] = levels;
  x = b.conv("decoder.conv_in", x, smallest);
  x = b.middle("decoder.mid_block", x, smallest);
  for (const [i, channels] of levels.entries()) {
    const block = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= layers; j++) x = b.residual(`${block}.resnets.${j}`, x, channels);
    if (i < levels.length - 1) x = b.conv(`${block}.upsamplers.0.conv`, x, channels, { upsample: 2 });
  }
  x = b.conv("decoder.conv_out", b.norm("decoder.conv_norm_out", x, "silu"), outChannels);
  return b.graph(name, [b.planes("sample", x)]);
}
