import type { ModelFamily } from "../family.js";
import { ModuleNames } from "../flux/adapter-names.js";
import { blockNames, isBlockRole } from "../flux/blocks.js";
import { buildFlux } from "../flux/checkpoint.js";
import { isConfigOf } from "../flux/config.js";
import { rowRanges } from "../flux/row-ranges.js";
import { FLUX1_ADAPTERS } from "./adapters.js";
import { FLUX1_CHECKPOINTS } from "./checkpoint.js";
import { FLUX1_CONFIG } from "./config.js";
import { describeFlux1 } from "./describe.js";

/** FLUX.1: dev, schnell, Krea, Kontext, Fill, Canny, Depth. */
export const flux1: ModelFamily = {
  name: "flux1",
  describe: describeFlux1,
  isBlockRole,
  blocks: blockNames,
  ownsConfig: (file) => isConfigOf(FLUX1_CONFIG, file),
  ownsTensors: () => false,
  build: (tensors, config, place) => buildFlux(FLUX1_CHECKPOINTS, tensors, config, place),
  adapters: {
    names(model) {
      const names = new ModuleNames(FLUX1_ADAPTERS, model);
      return (name) => names.resolve(name);
    },
    rows: rowRanges,
    embedder: "x_embedder",
  },
};
