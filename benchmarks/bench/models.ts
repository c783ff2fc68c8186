import { join } from "node:path";
import type { Graph } from "../../ir/graph/graph.js";
import { unpackModels } from "../build/models.js";
import { fluxGraph } from "../flux-graph.js";

const MODELS = join("test", "models");

/** A folder or file of the models that the checkout has, which is the working directory. */
export async function modelPath(...parts: readonly string[]): Promise<string> {
  await unpackModels(MODELS);
  return join(MODELS, ...parts);
}

/** A FLUX transformer of few, narrow blocks. */
export function tinyGraph(): Graph {
  return fluxGraph({
    ...{ doubleBlocks: 2, singleBlocks: 2, heads: 2, headDim: 16, contextDim: 32, pooledDim: 16 },
    ropeAxes: [4, 6, 6],
  });
}
