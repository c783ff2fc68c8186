import { basename } from "node:path";
import type { Graph } from "../../../ir/graph/graph.js";
import { unscaled } from "../../checkpoint/scaled.js";
import type { StoredTensors } from "../../checkpoint/tensors.js";
import { fluxGraph } from "./build-graph.js";
import { readConfig } from "./config.js";
import { findTransformer } from "./landmarks.js";
import { sizesOf } from "./tensor-sizes.js";
import { FluxWeights } from "./weights.js";

/** See `ModelFamily.build`. */
export function buildFlux1(tensorsOf: () => StoredTensors, config: string | undefined, place: string): Graph {
  const settings = config === undefined ? undefined : readConfig(config);
  const found = findTransformer(tensorsOf(), place);
  const tensors = unscaled(found.tensors, place);
  const sizes = sizesOf({ ...found, tensors }, settings, place);
  const weights = new FluxWeights(tensors, found.spelling.names(sizes), sizes, place);
  return fluxGraph(basename(place), sizes, weights);
}
