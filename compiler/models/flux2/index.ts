import { checkpointError } from "../../checkpoint/errors.js";
import type { ModelFamily } from "../family.js";
import { blockNames, isBlockRole } from "../flux/blocks.js";
import { rowRanges } from "../flux/row-ranges.js";
import { describeFlux2 } from "./describe.js";

/** FLUX.2: dev, and klein in all sizes. */
export const flux2: ModelFamily = {
  name: "flux2",
  describe: describeFlux2,
  isBlockRole,
  blocks: blockNames,
  ownsConfig: () => false,
  build: (_, __, place) => {
    throw checkpointError({
      place,
      message: "no FLUX.2 model is read from a checkpoint",
      expected: "a FLUX.1 transformer",
      found: "a FLUX.2 transformer",
      remedy: "export the model to ONNX",
    });
  },
  adapters: {
    names: () => () => ({ is: "unknown" }),
    rows: rowRanges,
    embedder: "x_embedder",
  },
};
