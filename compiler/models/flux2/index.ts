import { namesOf } from "../../checkpoint/tensors.js";
import type { ModelFamily } from "../family.js";
import { ModuleNames } from "../flux/adapter-names.js";
import { blockNames, isBlockRole } from "../flux/blocks.js";
import { buildFlux } from "../flux/checkpoint.js";
import { isConfigOf } from "../flux/config.js";
import { rowRanges } from "../flux/row-ranges.js";
import { FLUX2_ADAPTERS } from "./adapters.js";
import { FLUX2_CHECKPOINTS } from "./checkpoint.js";
import { FLUX2_CONFIG } from "./config.js";
import { describeFlux2 } from "./describe.js";
import { hasSharedModulation } from "./landmarks.js";

/** FLUX.2: dev, and klein in all sizes. */
export const flux2: ModelFamily = {
  name: "flux2",
  describe: describeFlux2,
  isBlockRole,
  blocks: blockNames,
  ownsConfig: (file) => isConfigOf(FLUX2_CONFIG, file),
  ownsTensors: (tensors) => hasSharedModulation(namesOf(tensors)),
  build: (tensors, config, place) => buildFlux(FLUX2_CHECKPOINTS, tensors, config, place),
  adapters: {
    names(model) {
      const names = new ModuleNames(FLUX2_ADAPTERS, model);
      return (name) => names.resolve(name);
    },
    rows: rowRanges,
    embedder: "x_embedder",
  },
};
