import type { ValueId } from "../../ir/graph/graph.js";
import type { Builder } from "../gradient/builder.js";
import { differentiate } from "../gradient/differentiate.js";
import { ADAM, Adam, type AdamOptions } from "./adam.js";
import type { StateValue } from "./engine/engine.js";
import { type Effective, straightThrough, type Trained } from "./student.js";

/** Inputs of a step besides the model's own, the loss's and the state: f32 of one element each. */
export const STEP_INPUTS = {
  /** What every rate is multiplied with: warm-up and decay. */
  schedule: "step.schedule",
  correction1: "step.correction1",
  correction2: "step.correction2",
} as const;

export interface StepOptions {
  /** Rates of Adam: of the latent weights in units of their row's scale, and of everything else. */
  readonly latentRate: number;
  readonly rate: number;
  /** The largest norm that the gradient of all parameters together keeps. */
  readonly clip: number;
  readonly adam: AdamOptions;
}

/** What the shapes model was distilled with; a scale is about .07 there. */
export const STEP_OPTIONS: StepOptions = { latentRate: 0.014, rate: 2e-4, clip: 1, adam: ADAM };

export interface Descent {
  /** What is trained and Adam's moments, as they are before and after the step. */
  readonly state: readonly StateValue[];
  /** The norm of the gradient of all parameters together, before it is clipped. */
  readonly norm: ValueId;
}

/** Moves parameters against the gradient of a loss: clipped, by Adam. */
export function descend(
  b: Builder,
  loss: ValueId,
  weights: readonly Effective[],
  trained: readonly Trained[],
  options: StepOptions,
): Descent {
  const gradients = differentiate(
    b.editor,
    loss,
    weights.map(({ value }) => value),
  );
  const slopes = weights.flatMap((weight) => straightThrough(b, weight, gradients.get(weight.value) ?? ""));
  const squares = slopes.map((slope) => b.sumSquares(slope)).reduce((sum, square) => b.add(sum, square));
  const norm = b.unary("sqrt", squares);
  const factor = b.binary("min", b.div(options.clip, b.add(norm, 1e-12)), 1);
  const { schedule, ...corrections } = STEP_INPUTS;
  const adam = new Adam(b, options.adam, { factor, ...corrections });
  const [rate, latentRate] = [options.rate, options.latentRate].map((r) => b.mul(schedule, r));
  const state = trained.flatMap(({ id, kind }, i) =>
    adam.update(id, slopes[i] ?? "", (kind === "latent" ? latentRate : rate) ?? ""),
  );
  return { state, norm };
}
