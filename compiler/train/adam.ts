import type { ValueId } from "../../ir/graph/graph.js";
import type { Builder, Term } from "../gradient/builder.js";

/** Numbers of Adam that stay the same: decay of both moments, and what keeps the denominator from 0. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** As the shapes model was distilled with: the second moment forgets sooner than by Adam's own .999. */
export const ADAM: AdamOptions = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 };

/** What an update reads: values of the graph. */
export interface AdamValues {
  readonly parameter: ValueId;
  readonly gradient: ValueId;
  readonly first: ValueId;
  readonly second: ValueId;
  /** The step's rate for this parameter. */
  readonly rate: Term;
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ) at step t, from 1 on. */
  readonly correction1: ValueId;
  readonly correction2: ValueId;
}

/**
 * Adam ("Adam: A Method for Stochastic Optimization", algorithm 1), without weight decay:
 *   m' = m + (1 − β₁)(g − m),  v' = v + (1 − β₂)(g² − v),  p' = p − rate·m'ₜ/(√v'ₜ + ε)
 * where the index t stands for the correction of moments that began at 0.
 */
export function adam(b: Builder, values: AdamValues, { beta1, beta2, epsilon }: AdamOptions) {
  const { parameter, gradient, first, second, rate, correction1, correction2 } = values;
  const m = b.add(first, b.mul(b.sub(gradient, first), 1 - beta1));
  const v = b.add(second, b.mul(b.sub(b.mul(gradient, gradient), second), 1 - beta2));
  const size = b.add(b.unary("sqrt", b.mul(v, correction2)), epsilon);
  const move = b.div(b.mul(m, b.mul(correction1, rate)), size);
  return { parameter: b.sub(parameter, move), first: m, second: v };
}

/** The corrections of step t, from 1 on. */
export function corrections(t: number, { beta1, beta2 }: AdamOptions): readonly [number, number] {
  return [1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t)];
}
