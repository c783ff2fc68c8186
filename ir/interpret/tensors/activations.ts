import type { Activation } from "../../ops/linears.js";
import { erf, sigmoid } from "./unary.js";

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) */
export function geluTanh(v: number): number {
  return 0.5 * v * (1 + Math.tanh(SQRT_2_OVER_PI * (v + 0.044715 * v * v * v)));
}

/** 0.5·x·(1 + erf(x/√2)) */
export function geluErf(v: number): number {
  return 0.5 * v * (1 + erf(v * Math.SQRT1_2));
}

/** x·sigmoid(x) */
export function silu(v: number): number {
  return v * sigmoid(v);
}

/** What an activation computes; null for none. */
export const ACTIVATIONS: Readonly<Record<Activation, ((v: number) => number) | null>> = {
  none: null,
  "gelu-tanh": geluTanh,
  "gelu-erf": geluErf,
  silu,
};
