import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Graph } from "../../ir/graph/graph.js";
import { readConfig } from "./config.js";
import { fluxGraph } from "./graph.js";
import { diffusersNames, originalNames } from "./modules.js";
import { originalSizes, originalTensors } from "./original.js";
import type { FluxSizes } from "./sizes.js";
import { folderTensors, type StoredTensors, storedTensors } from "./tensors.js";
import { FluxWeights } from "./weights.js";

const CONFIG = "config.json";

/** The folder of the transformer that a pipeline or transformer folder in Diffusers' layout means, if it is one. */
export function findDiffusers(path: string): string | undefined {
  return [join(path, "transformer"), path].find((folder) => existsSync(join(folder, CONFIG)));
}

/**
 * A transformer folder (`config.json` and `diffusion_pytorch_model*.safetensors`) as a graph. No weight is read.
 * Throws TRITC_E_CHECKPOINT, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ.
 */
export function importDiffusers(folder: string): Graph {
  // First what it is, then what it has.
  const config = readConfig(join(folder, CONFIG));
  return diffusersGraph(config, folderTensors(folder), folder);
}

/**
 * A `.safetensors` file as a graph: an original checkpoint such as `flux1-dev.safetensors`, or the one weight file of a
 * Diffusers folder. Throws as `importDiffusers`.
 */
export function importCheckpoint(file: string): Graph {
  const folder = dirname(file);
  if (basename(file).startsWith("diffusion_pytorch_model") && existsSync(join(folder, CONFIG))) {
    const isPart = /-\d{5}-of-\d{5}\./.test(basename(file));
    if (isPart) return importDiffusers(folder);
    return diffusersGraph(readConfig(join(folder, CONFIG)), storedTensors(file), file);
  }
  const tensors = originalTensors(storedTensors(file));
  const sizes = originalSizes(tensors, file);
  return fluxGraph(basename(file), sizes, new FluxWeights(tensors, originalNames(sizes), sizes, file));
}

function diffusersGraph(config: ReturnType<typeof readConfig>, tensors: StoredTensors, place: string): Graph {
  const shapeOf = (name: string) => tensors.get(name)?.shape ?? [];
  const hidden = config.heads * config.headDim;
  const [mlpWidth = 4 * hidden] =
    config.doubleBlocks > 0
      ? shapeOf("transformer_blocks.0.ff.net.0.proj.weight")
      : shapeOf("single_transformer_blocks.0.proj_mlp.weight");
  const [, frequencies = 256] = shapeOf("time_text_embed.timestep_embedder.linear_1.weight");
  const sizes: FluxSizes = { ...config, mlpWidth, frequencies };
  return fluxGraph(basename(place), sizes, new FluxWeights(tensors, diffusersNames(sizes), sizes, place));
}
