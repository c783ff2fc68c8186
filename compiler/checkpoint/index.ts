import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Graph } from "../../ir/graph/graph.js";
import { fileKind } from "../file-kind.js";
import { fluxGraph } from "../models/flux1/build-graph.js";
import { type FluxConfig, isFluxConfig, readConfig } from "../models/flux1/config.js";
import { findTransformer } from "../models/flux1/landmarks.js";
import { sizesOf } from "../models/flux1/tensor-sizes.js";
import { FluxWeights } from "../models/flux1/weights.js";
import { unscaled } from "./scaled.js";
import type { StoredTensors } from "./tensors.js";
import { folderTensors, indexOfPart, tensorsOf } from "./weight-files.js";

export { isIndex } from "./weight-files.js";

const CONFIG = "config.json";

/** The folder of the transformer that a pipeline or transformer folder in Diffusers' layout means, if it is one. */
export function findDiffusers(path: string): string | undefined {
  return [join(path, "transformer"), path].find((folder) => existsSync(join(folder, CONFIG)));
}

/** The one safetensors file of a folder, if there is one and no other. */
export function findCheckpoint(folder: string): string | undefined {
  const files = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .filter((file) => fileKind(file) === "safetensors");
  return files.length === 1 ? files[0] : undefined;
}

/**
 * A transformer folder (`config.json` and its weight files) as a graph. No weight is read.
 * Throws TRITC_E_CHECKPOINT, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ.
 */
export function importDiffusers(folder: string): Graph {
  // First what it is, then what it has.
  const config = readConfig(join(folder, CONFIG));
  return transformerGraph(folderTensors(folder), config, folder);
}

/**
 * A safetensors file, or an index of several, as a graph: an original checkpoint such as `flux1-dev.safetensors`, alone
 * or with the other networks of a pipeline, or a weight file of a Diffusers folder. A FLUX transformer's `config.json`
 * beside it says how its heads are rotated. Throws as `importDiffusers`.
 */
export function importCheckpoint(file: string): Graph {
  const config = join(dirname(file), CONFIG);
  return transformerGraph(
    tensorsOf(indexOfPart(file) ?? file),
    existsSync(config) && isFluxConfig(config) ? readConfig(config) : undefined,
    file,
  );
}

function transformerGraph(all: StoredTensors, config: FluxConfig | undefined, place: string): Graph {
  const found = findTransformer(all, place);
  const tensors = unscaled(found.tensors, place);
  const sizes = sizesOf({ ...found, tensors }, config, place);
  const weights = new FluxWeights(tensors, found.spelling.names(sizes), sizes, place);
  return fluxGraph(basename(place), sizes, weights);
}
