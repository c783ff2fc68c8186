import type { ModelDescription } from "../../../ir/models/index.js";
import type { ModelFamily } from "../family.js";
import { ModuleNames } from "../flux/adapter-names.js";
import { buildFlux } from "../flux/checkpoint.js";
import { isConfigOf } from "../flux/config.js";
import { flux1 } from "../flux1/index.js";
import { CHROMA_ADAPTERS } from "./adapters.js";
import { CHROMA_CHECKPOINTS } from "./checkpoint.js";
import { CHROMA_CONFIG } from "./config.js";
import { describeChroma } from "./describe.js";
import { hasApproximator } from "./landmarks.js";

/** Chroma: FLUX.1's blocks with modulations that one network makes of the timestep. */
export const chroma: ModelFamily = {
  ...flux1,
  name: "chroma",
  describe: describeChroma,
  ownsConfig: (file) => isConfigOf(CHROMA_CONFIG, file),
  ownsTensors: hasApproximator,
  build: (tensors, config, place) => buildFlux(CHROMA_CHECKPOINTS, tensors, config, place),
  adapters: {
    ...flux1.adapters,
    names(model: ModelDescription) {
      const names = new ModuleNames(CHROMA_ADAPTERS, model);
      return (name) => names.resolve(name);
    },
  },
};
