import type { Pass } from "../pass.js";
import { RECOGNIZE_PASSES } from "../recognize/index.js";
import { addBranches } from "./add-branches.js";
import { cacheReferences } from "./cache-references.js";
import { canonicalize } from "./canonicalize.js";
import { foldConstants } from "./fold-constants.js";
import { fuseAdaln } from "./fuse-adaln.js";
import { fuseEpilogues } from "./fuse-epilogues.js";
import { fuseHeads } from "./fuse-heads.js";
import { fuseQkNormRope } from "./fuse-qk-norm-rope.js";
import { fuseSharedInput } from "./fuse-shared-input.js";
import { fuseSwiglu } from "./fuse-swiglu.js";
import { narrowWeights } from "./narrow-weights.js";
import { quantizeActivations } from "./quantize-activations.js";
import { splitJoint } from "./split-joint.js";
import { splitPictures } from "./split-pictures.js";
import { splitTables } from "./split-tables.js";
import { splitWeights } from "./split-weights.js";
import { ternarize } from "./ternarize.js";

/** Shapes known, one spelling of everything, model operations found. */
export const FRONT_PASSES: readonly Pass[] = [foldConstants, canonicalize, ...RECOGNIZE_PASSES];

/** What makes a recognized graph small and fast on a device. */
export const BACK_PASSES: readonly Pass[] = [
  ternarize,
  fuseSwiglu,
  splitJoint,
  fuseEpilogues,
  fuseSharedInput,
  fuseAdaln,
  fuseQkNormRope,
  addBranches,
  quantizeActivations,
  fuseHeads,
  narrowWeights,
  splitWeights,
  splitTables,
  splitPictures,
  cacheReferences,
];

/** Every pass, in order. */
const PASSES: readonly Pass[] = [...FRONT_PASSES, ...BACK_PASSES];

/** The pass of a name. Throws RangeError naming those that exist. */
export function passNamed(name: string): Pass {
  const pass = PASSES.find((candidate) => candidate.name === name);
  if (pass === undefined) throw new RangeError(`no pass ${name}: ${PASSES.map((p) => p.name).join(", ")}`);
  return pass;
}
