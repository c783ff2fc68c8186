import { attention } from "./attention.js";
import { control } from "./control.js";
import type { AttrForms, AttrsOf, Definition } from "./definition.js";
import { elementwise } from "./elementwise.js";
import { embeddings } from "./embeddings.js";
import { gather } from "./gather.js";
import { images } from "./images.js";
import { linalg } from "./linalg.js";
import { linears } from "./linears.js";
import { modulation } from "./modulation.js";
import { norms } from "./norms.js";
import { quantized } from "./quantized.js";
import { reductions } from "./reductions.js";
import { sequences } from "./sequences.js";
import { shapes } from "./shapes.js";

/** The sections of operations. Folders that hold something for each operation have a file for each section. */
export const SECTIONS = {
  attention,
  control,
  elementwise,
  embeddings,
  gather,
  images,
  linalg,
  linears,
  modulation,
  norms,
  quantized,
  reductions,
  sequences,
  shapes,
};

/** Operations of the graph level. */
export const OPS = {
  ...attention,
  ...control,
  ...elementwise,
  ...embeddings,
  ...gather,
  ...images,
  ...linalg,
  ...linears,
  ...modulation,
  ...norms,
  ...quantized,
  ...reductions,
  ...sequences,
  ...shapes,
};

export type OpName = keyof typeof OPS;
export const OP_NAMES = Object.keys(OPS) as readonly OpName[];
/** The attributes of each operation. */
export type OpAttrs = { readonly [K in OpName]: AttrsOf<(typeof OPS)[K]["attrs"]> };
export type SectionName = keyof typeof SECTIONS;
/** The operations of a section. */
export type OpOf<S extends SectionName> = keyof (typeof SECTIONS)[S] & OpName;

/** Whether the IR has an operation of this name. */
export function isOpName(name: string): name is OpName {
  return Object.hasOwn(OPS, name);
}

/** The definition of an operation, whichever it is. */
export function definitionOf(op: OpName): Definition<AttrForms, OpAttrs[OpName]> {
  return OPS[op];
}
