import type { AdapterSpelling } from "../flux/adapter-names.js";
import { FLUX1_ADAPTERS } from "../flux1/adapters.js";
import { diffusersNames, originalNames } from "./modules.js";

/** What adapters call the modules of Chroma. */
export const CHROMA_ADAPTERS: AdapterSpelling = { ...FLUX1_ADAPTERS, names: [diffusersNames, originalNames] };
