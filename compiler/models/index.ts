import type { ModelDescription } from "../../ir/models/index.js";
import { chroma } from "./chroma/index.js";
import type { ModelFamily } from "./family.js";
import { flux1 } from "./flux1/index.js";
import { flux2 } from "./flux2/index.js";

/** Every family that is recognized, in the order in which they are tried. */
export const MODEL_FAMILIES: readonly [ModelFamily, ...ModelFamily[]] = [flux1, flux2, chroma];

/** Whether a linear of this role lies in a block, and so becomes ternary. */
export function isBlockRole(role: string | null): boolean {
  return MODEL_FAMILIES.some((family) => family.isBlockRole(role));
}

/** What the compiler knows of a model's family. */
export function familyOf({ family }: ModelDescription): ModelFamily {
  const found = MODEL_FAMILIES.find(({ name }) => name === family);
  if (found === undefined) throw new RangeError(`no model family ${family}`);
  return found;
}
