import type { ValueId } from "../../ir/graph/graph.js";
import type { Builder } from "../gradient/builder.js";
import type { StateValue } from "./engine/engine.js";

/** Numbers of Adam that stay the same: decay of both moments, and what keeps the denominator from 0. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** As the shapes model was distilled with: the second moment forgets sooner than by Adam's own .999. */
export const ADAM: AdamOptions = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 };

/** Values of one element that all updates of a step read. */
export interface AdamScalars {
  /** What gradients are multiplied with first. */
  readonly factor: ValueId;
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ) at step t, from 1 on. */
  readonly correction1: ValueId;
  readonly correction2: ValueId;
}

/** The names of Adam's moments of a parameter. */
export function momentsOf(parameter: ValueId): readonly [first: ValueId, second: ValueId] {
  return [`${parameter}.first`, `${parameter}.second`];
}

/** The corrections of step t, from 1 on. */
export function corrections(t: number, { beta1, beta2 }: AdamOptions): readonly [number, number] {
  return [1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t)];
}

/**
 * Adam ("Adam: A Method for Stochastic Optimization", end of section 2), without weight decay:
 *   m' = β₁·m + (1 − β₁)·g,  v' = β₂·v + (1 − β₂)·g²,  p' = p − α·m'/(√v' + ε')
 * where α = rate·c₁/√c₂ and ε' = ε/√c₂ have the corrections c of moments that began at 0. Whatever is of one element is
 * put together first: each operation on a parameter goes through all of its memory.
 */
export class Adam {
  readonly #ofGradient: ValueId;
  readonly #ofSquare: ValueId;
  readonly #correction: ValueId;
  readonly #epsilon: ValueId;

  constructor(
    private readonly b: Builder,
    private readonly options: AdamOptions,
    { factor, correction1, correction2 }: AdamScalars,
  ) {
    const { beta1, beta2, epsilon } = options;
    const root = b.unary("sqrt", correction2);
    this.#ofGradient = b.mul(factor, 1 - beta1);
    this.#ofSquare = b.mul(b.mul(factor, factor), 1 - beta2);
    this.#correction = b.div(correction1, root);
    this.#epsilon = b.div(epsilon, root);
  }

  /** What a parameter and its moments become. */
  update(parameter: ValueId, gradient: ValueId, rate: ValueId): readonly StateValue[] {
    const { b } = this;
    const { beta1, beta2 } = this.options;
    const [first, second] = momentsOf(parameter);
    const m = b.add(b.mul(first, beta1), b.mul(gradient, this.#ofGradient));
    const v = b.add(b.mul(second, beta2), b.mul(b.mul(gradient, gradient), this.#ofSquare));
    const move = b.div(m, b.add(b.unary("sqrt", v), this.#epsilon));
    const next = b.sub(parameter, b.mul(move, b.mul(rate, this.#correction)));
    return [
      { input: parameter, output: next },
      { input: first, output: m },
      { input: second, output: v },
    ];
  }
}
