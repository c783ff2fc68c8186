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
  /** Rates of Adam: of the latent weights in units of their row's scale, of the scales, and of everything else. */
  readonly latentRate: number;
  readonly scaleRate: number;
  readonly rate: number;
  /** The largest norm that the gradient of all parameters together keeps. */
  readonly clip: number;
  readonly adam: AdamOptions;
}

/** What the shapes model, whose width is 256, was distilled with; a scale is about .07 there. */
export const STEP_OPTIONS: StepOptions = {
  latentRate: 0.014,
  scaleRate: 2e-4,
  rate: 2e-4,
  clip: 1,
  adam: ADAM,
};
const MEASURED_WIDTH = 256;

/**
 * The options for a model of another width. A step of Adam moves all k inputs of a row by the same amount, and its result by k
 * times that where they move together, while the weights' own share adds up to √k of theirs: what a step changes stays the same
 * share of a result where weights, here u times a scale that falls with 1/√k, move by 1/k ("Tensor Programs V", table 8). That
 * leaves 1/√k for u and for scales. Narrower models keep the rates.
 */
export function atWidth(options: StepOptions, width: number): StepOptions {
  const factor = Math.min(1, Math.sqrt(MEASURED_WIDTH / width));
  return { ...options, latentRate: options.latentRate * factor, scaleRate: options.scaleRate * factor };
}

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
  const rates = {
    latent: b.mul(schedule, options.latentRate),
    scale: b.mul(schedule, options.scaleRate),
    plain: b.mul(schedule, options.rate),
  };
  const state = trained.flatMap(({ id, kind }, i) => adam.update(id, slopes[i] ?? "", rates[kind]));
  return { state, norm };
}
