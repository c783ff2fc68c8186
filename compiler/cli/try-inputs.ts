import { isFloat } from "../../ir/dtype.js";
import type { ProgramPort } from "../../ir/program/program.js";
import type { Tensor } from "../../ir/tensor.js";

/** Kernels and interpreter compute the same graph in floats that round otherwise. */
const TOLERANCE = 1e-3;
/** Relative change of an input that no float kernel's rounding exceeds by much. */
const NUDGE = 1e-6;
/** Two results that both differ by rounding alone may lie on either side of a third. */
const SIDES = 2;

export interface Attempt {
  /** How far kernels are from the interpreter. */
  readonly difference: number;
  /** How far they may be. */
  readonly tolerance: number;
}

/**
 * What kernels may differ by from the interpreter. Where a row's float lies at the tie of two int8 codes the two may take one
 * each, and the layers below make more of it: where a graph has codes, `moves` says how far the interpreter's own result
 * moves when its inputs do by what floats round.
 */
export async function toleranceOf(
  difference: number,
  moves: (() => Promise<number>) | null,
): Promise<number> {
  if (moves === null || difference <= TOLERANCE) return TOLERANCE;
  return Math.max(TOLERANCE, SIDES * (await moves()));
}

/**
 * Inputs, each element of which moved by a millionth, up or down in turns of irregular length. Whole numbers stay, also those
 * that come as floats for ports of other types.
 */
export function nudged(
  inputs: ReadonlyMap<string, Tensor>,
  ports: readonly Pick<ProgramPort, "name" | "dtype">[],
): ReadonlyMap<string, Tensor> {
  const whole = new Set(ports.filter(({ dtype }) => !isFloat(dtype)).map(({ name }) => name));
  const moved = [...inputs].map(([name, tensor]): [string, Tensor] => {
    if (whole.has(name) || !(tensor.data instanceof Float32Array)) return [name, tensor];
    const data = tensor.data.map((x, i) => x * (1 + (Math.imul(i + 1, 0x9e3779b9) < 0 ? NUDGE : -NUDGE)));
    return [name, { ...tensor, data }];
  });
  return new Map(moved);
}

/**
 * Compares kernels with the interpreter, with one input after the other until they agree: codes at a tie that only the
 * kernels see do not come with all of several inputs, as what a wrong kernel does would.
 *
 * @param most inputs to try
 * @param attempt with the i-th of them
 */
export async function tryInputs<T extends Attempt>(
  most: number,
  attempt: (i: number) => Promise<T>,
): Promise<T & { readonly tried: number; readonly agrees: boolean }> {
  for (let tried = 1; ; tried++) {
    const found = await attempt(tried - 1);
    const agrees = found.difference <= found.tolerance;
    if (agrees || tried >= most) return { ...found, tried, agrees };
  }
}
