import type { CheckpointForm } from "../flux/checkpoint.js";
import { flux2Graph } from "./build-graph.js";
import { readConfig } from "./config.js";
import { FLUX2_SPELLINGS } from "./landmarks.js";
import { EPSILON, linearShape, ROPE_AXES, ROPE_THETA } from "./sizes.js";

/** Checkpoints of FLUX.2. */
export const FLUX2_CHECKPOINTS: CheckpointForm = {
  title: "FLUX.2",
  spellings: FLUX2_SPELLINGS,
  biases: false,
  untold: { ropeAxes: ROPE_AXES, ropeTheta: ROPE_THETA, epsilon: EPSILON },
  readConfig,
  shapeOf: linearShape,
  graph: flux2Graph,
};
