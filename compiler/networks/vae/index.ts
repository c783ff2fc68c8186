import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Graph } from "../../../ir/graph/graph.js";
import { CONFIG, NetworkConfig } from "../config.js";
import type { NetworkPart, PipelineFolder } from "../part.js";
import { NetworkTensors } from "../tensors.js";
import { vaeDecoder } from "./decoder.js";
import { vaeEncoder } from "./encoder.js";
import { LATENT_HEIGHT, LATENT_WIDTH } from "./picture-builder.js";
import { pixelsPerLatent, type VaeSettings, vaeSettings } from "./settings.js";
import { VaeWeights } from "./weights.js";

const FOLDER = "vae";

interface Half {
  readonly name: "vae_decoder" | "vae_encoder";
  /** Whether a tensor is this network's. */
  owns(tensor: string): boolean;
  graph(name: string, settings: VaeSettings, weights: VaeWeights): Graph;
}

const HALVES: readonly Half[] = [
  { name: "vae_decoder", owns: (tensor) => /^(decoder|post_quant_conv)\./.test(tensor), graph: vaeDecoder },
  { name: "vae_encoder", owns: (tensor) => /^(encoder|quant_conv)\./.test(tensor), graph: vaeEncoder },
];

/** Decoder and encoder of a pipeline's VAE. Throws TRITC_E_NETWORK, TRITC_E_CHECKPOINT. */
export function vaeNetworks({ folder }: PipelineFolder): readonly NetworkPart[] {
  const own = join(folder, FOLDER);
  if (!existsSync(join(own, CONFIG))) return [];
  return vaeParts(own).filter(({ name }) => !existsSync(join(folder, name, "model.onnx")));
}

/** The two networks in the folder of a VAE. Throws TRITC_E_NETWORK, TRITC_E_CHECKPOINT. */
export function vaeParts(folder: string): readonly NetworkPart[] {
  const settings = vaeSettings(NetworkConfig.read(folder));
  const pixels = pixelsPerLatent(settings);
  return HALVES.map((half) => ({
    name: half.name,
    folder,
    build: () => build(half, settings, folder),
    sizes: ({ height, width }) => ({
      [LATENT_HEIGHT]: Math.ceil(height / pixels),
      [LATENT_WIDTH]: Math.ceil(width / pixels),
    }),
    tiling: {
      pixels,
      sizes: (latents) => ({ [LATENT_HEIGHT]: latents, [LATENT_WIDTH]: latents }),
    },
  }));
}

function build({ name, owns, graph }: Half, settings: VaeSettings, folder: string): Graph {
  const tensors = NetworkTensors.read(folder, "diffusion_pytorch_model");
  const built = graph(name, settings, new VaeWeights(tensors, settings));
  tensors.requireAllTaken(owns);
  return built;
}
