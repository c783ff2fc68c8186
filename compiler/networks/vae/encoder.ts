import { mulDims } from "../../../ir/dim.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { LATENT_HEIGHT, LATENT_WIDTH, PictureBuilder } from "./picture-builder.js";
import { pixelsPerLatent, type VaeSettings } from "./settings.js";
import type { VaeWeights } from "./weights.js";

/**
 * `sample` [1, 3, 8h, 8w] in -1..1 → `latent_parameters` [1, 2·C, h, w]: means, then logarithms of variances. FLUX.2's
 * gives `latent_sample` [1, 4·C, h, w], of 16 pixels each: the means, packed two by two and normalized.
 */
export function vaeEncoder(name: string, settings: VaeSettings, weights: VaeWeights): Graph {
  const { statistics, latentChannels, encoderChannels, layers } = settings;
  const b = new PictureBuilder(settings, weights);
  const pixels = pixelsPerLatent(settings);
  const size = [mulDims(LATENT_HEIGHT, pixels), mulDims(LATENT_WIDTH, pixels)];
  let x = b.rows(b.input("sample", [1, settings.inChannels, ...size]));
  x = b.conv("encoder.conv_in", x, encoderChannels[0] ?? 1);
  for (const [i, channels] of encoderChannels.entries()) {
    const block = `encoder.down_blocks.${i}`;
    for (let j = 0; j < layers; j++) x = b.residual(`${block}.resnets.${j}`, x, channels);
    // Zeros below and on the right alone.
    const half = { stride: 2, pads: [0, 0, 1, 1] };
    if (i < encoderChannels.length - 1) x = b.conv(`${block}.downsamplers.0.conv`, x, channels, half);
  }
  x = b.middle("encoder.mid_block", x, encoderChannels.at(-1) ?? 1);
  x = b.conv("encoder.conv_out", b.norm("encoder.conv_norm_out", x, "silu"), 2 * latentChannels);
  if (settings.quantConv) x = b.linear("quant_conv", x, 2 * latentChannels);
  if (statistics === null) return b.graph(name, [b.planes("latent_parameters", x)]);
  return b.graph(name, [
    b.planes("latent_sample", normalizedMeans(b, x, latentChannels, statistics.epsilon)),
  ]);
}

function normalizedMeans(b: PictureBuilder, x: ValueId, channels: number, epsilon: number): ValueId {
  const means = b.node("means", "part", [x], { axis: 3, start: 0, length: channels });
  const packed = b.pack("packed", means, LATENT_HEIGHT, LATENT_WIDTH);
  const [deviation, mean] = b.statistics(epsilon);
  const centered = b.node("bn.centered", "binary", [packed, mean], { fn: "sub" });
  return b.node("bn.normalized", "binary", [centered, deviation], { fn: "div" });
}
