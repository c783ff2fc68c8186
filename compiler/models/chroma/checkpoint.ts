import type { CheckpointForm } from "../flux/checkpoint.js";
import { FLUX1_CHECKPOINTS } from "../flux1/checkpoint.js";
import { chromaGraph } from "./build-graph.js";
import { readConfig } from "./config.js";
import { CHROMA_SPELLINGS } from "./landmarks.js";
import { linearShape } from "./sizes.js";

/** Checkpoints of Chroma. */
export const CHROMA_CHECKPOINTS: CheckpointForm = {
  ...FLUX1_CHECKPOINTS,
  title: "Chroma",
  spellings: CHROMA_SPELLINGS,
  readConfig,
  shapeOf: linearShape,
  graph: chromaGraph,
};
