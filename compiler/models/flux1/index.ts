import type { ModelFamily } from "../family.js";
import { blockNames, isBlockRole } from "../flux/blocks.js";
import { rowRanges } from "../flux/row-ranges.js";
import { ModuleNames } from "./adapter-names.js";
import { buildFlux1 } from "./checkpoint.js";
import { isFluxConfig } from "./config.js";
import { describeFlux1 } from "./describe.js";

/** FLUX.1: dev, schnell, Krea, Kontext, Fill, Canny, Depth. */
export const flux1: ModelFamily = {
  name: "flux1",
  describe: describeFlux1,
  isBlockRole,
  blocks: blockNames,
  ownsConfig: isFluxConfig,
  build: buildFlux1,
  adapters: {
    names(model) {
      const names = new ModuleNames(model);
      return (name) => names.resolve(name);
    },
    rows: rowRanges,
    embedder: "x_embedder",
  },
};
