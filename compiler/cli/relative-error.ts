import type { Tensor } from "../../ir/tensor.js";

/** ‖a − b‖ / ‖b‖ over all tensors of b together; NaN where either holds NaN, Infinity where a tensor is missing. */
export function relativeError(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): number {
  let difference = 0;
  let norm = 0;
  for (const [name, expected] of b) {
    const found = a.get(name);
    if (found === undefined || found.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
    for (let i = 0; i < expected.data.length; i++) {
      const want = Number(expected.data[i]);
      difference += (Number(found.data[i]) - want) ** 2;
      norm += want ** 2;
    }
  }
  return Math.sqrt(difference / norm);
}
