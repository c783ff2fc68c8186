import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Graph } from "../../ir/graph/graph.js";
import { MODEL_FAMILIES } from "../models/index.js";
import { withoutAffine } from "./affine.js";
import type { StoredTensors } from "./tensors.js";
import { folderTensors, indexOfPart, isWeightFile, tensorsOf } from "./weight-files.js";

export { isIndex } from "./weight-files.js";

const CONFIG = "config.json";
/** What the transformer's folder is called in a pipeline: by Diffusers, and where MLX has quantized it. */
const TRANSFORMERS = ["transformer", "transformer-packed-mflux"];

/** The folder of the transformer that a pipeline or transformer folder in Diffusers' layout means, if it is one. */
export function findDiffusers(path: string): string | undefined {
  return [...TRANSFORMERS.map((name) => join(path, name)), path].find((folder) =>
    existsSync(join(folder, CONFIG)),
  );
}

/** The one weight file of a folder, if there is one and no other. */
export function findCheckpoint(folder: string): string | undefined {
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter(isWeightFile);
  return files.length === 1 ? files[0] : undefined;
}

/**
 * A transformer folder (`config.json` and its weight files) as a graph. No weight is read.
 * Throws TRITC_E_CHECKPOINT, TRITC_E_SAFETENSORS, TRITC_E_GGUF, TRITC_E_FILE_READ.
 */
export function importDiffusers(folder: string): Graph {
  return transformerGraph(() => folderTensors(folder), join(folder, CONFIG), folder);
}

/**
 * A safetensors or GGUF file, or an index of several, as a graph: an original checkpoint such as `flux1-dev.safetensors`, alone
 * or with the other networks of a pipeline, or a weight file of a Diffusers folder. A FLUX transformer's `config.json`
 * beside it says how its heads are rotated. Throws as `importDiffusers`.
 */
export function importCheckpoint(file: string): Graph {
  const config = join(dirname(file), CONFIG);
  return transformerGraph(
    () => tensorsOf(indexOfPart(file) ?? file),
    existsSync(config) && MODEL_FAMILIES.some(({ ownsConfig }) => ownsConfig(config)) ? config : undefined,
    file,
  );
}

/** By the family whose configuration or tensors it is; else by the first one, whose refusal says what is missing. */
function transformerGraph(tensors: () => StoredTensors, config: string | undefined, place: string): Graph {
  if (config !== undefined) {
    const owner = MODEL_FAMILIES.find(({ ownsConfig }) => ownsConfig(config)) ?? MODEL_FAMILIES[0];
    return owner.build(() => withoutAffine(tensors()), config, place);
  }
  const found = withoutAffine(tensors());
  const owner = MODEL_FAMILIES.find(({ ownsTensors }) => ownsTensors(found)) ?? MODEL_FAMILIES[0];
  return owner.build(() => found, undefined, place);
}
