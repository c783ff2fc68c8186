import { basename } from "node:path";
import type { Graph } from "../../../ir/graph/graph.js";
import { unscaled } from "../../checkpoint/scaled.js";
import type { StoredTensors } from "../../checkpoint/tensors.js";
import type { FluxConfig } from "./config.js";
import { findTransformer, type Spellings } from "./landmarks.js";
import type { FluxSizes } from "./sizes.js";
import { sizesOf, type Untold } from "./tensor-sizes.js";
import { FluxWeights, type WeightForm } from "./weights.js";

/** What a family's checkpoints have. */
export interface CheckpointForm extends Omit<WeightForm, "sizes" | "shapeOf"> {
  readonly spellings: Spellings;
  readonly untold: Omit<Untold, "title">;
  readConfig(file: string): FluxConfig;
  shapeOf(sizes: FluxSizes, role: string): readonly [number, number];
  graph(name: string, sizes: FluxSizes, weights: FluxWeights): Graph;
}

/** See `ModelFamily.build`. */
export function buildFlux(
  form: CheckpointForm,
  tensorsOf: () => StoredTensors,
  config: string | undefined,
  place: string,
): Graph {
  const settings = config === undefined ? undefined : form.readConfig(config);
  const found = findTransformer(tensorsOf(), place, form.spellings);
  const tensors = unscaled(found.tensors, place);
  const { title } = form;
  const sizes = sizesOf({ ...found, tensors }, settings, { ...form.untold, title }, place);
  const names = found.spelling.names(sizes);
  const shapeOf = (role: string) => form.shapeOf(sizes, role);
  const weights = new FluxWeights(tensors, names, { ...form, sizes, shapeOf }, place);
  return form.graph(basename(place), sizes, weights);
}
