import type { CheckpointForm } from "../flux/checkpoint.js";
import { flux1Graph } from "./build-graph.js";
import { readConfig } from "./config.js";
import { FLUX1_SPELLINGS } from "./landmarks.js";
import { EPSILON, linearShape, ROPE_AXES, ROPE_THETA } from "./sizes.js";

/** Checkpoints of FLUX.1. */
export const FLUX1_CHECKPOINTS: CheckpointForm = {
  title: "FLUX.1",
  spellings: FLUX1_SPELLINGS,
  biases: true,
  untold: { ropeAxes: ROPE_AXES, ropeTheta: ROPE_THETA, epsilon: EPSILON },
  readConfig,
  shapeOf: linearShape,
  graph: flux1Graph,
};
