import type { Constant } from "../../ir/constant/constant.js";

/** Recipes over f32 matrices, as formulas of adapters are written. */

function matrix(shape: readonly number[], source: Constant["source"]): Constant {
  return { dtype: "f32", shape, source };
}

export function filled(shape: readonly number[], value: number): Constant {
  return matrix(shape, { kind: "fill", value });
}

/** left · right */
export function matmul(left: Constant, right: Constant): Constant {
  return plusProduct(filled([left.shape[0] ?? 0, right.shape[1] ?? 0], 0), left, right, 1);
}

/** of + scale·(up · down) */
export function plusProduct(of: Constant, up: Constant, down: Constant, scale: number): Constant {
  return { ...of, source: { kind: "low-rank", of, up, down, scale } };
}

/** of + scale·delta */
export function plus(of: Constant, delta: Constant, scale: number): Constant {
  return { ...of, source: { kind: "sum", of, delta, scale } };
}

/** (1 − s)·first + s·second */
export function between(first: Constant, second: Constant, scale: number): Constant {
  return plus(plus(first, second, scale), first, -scale);
}

/** of ⊙ by */
export function times(of: Constant, by: Constant): Constant {
  return matrix(of.shape, { kind: "product", of, by });
}

export function kronecker(left: Constant, right: Constant): Constant {
  const shape = [0, 1].map((axis) => (left.shape[axis] ?? 1) * (right.shape[axis] ?? 1));
  return matrix(shape, { kind: "kronecker", left, right });
}

export function transposed(of: Constant): Constant {
  return { ...of, shape: [of.shape[1] ?? 0, of.shape[0] ?? 0], source: { kind: "transpose", of } };
}

export function reshaped(of: Constant, shape: readonly number[]): Constant {
  return { ...of, shape, source: { kind: "reshape", of } };
}

export function joined(parts: readonly Constant[]): Constant {
  const [first] = parts;
  if (first === undefined) throw new Error("nothing to join");
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], source: { kind: "concat", of: parts } };
}

/** `values` [rows] or [columns] as a matrix of equal columns (axis 0) or rows (axis 1), plus `offset`. */
export function spread(
  values: Constant,
  shape: readonly [number, number],
  axis: 0 | 1,
  offset: number,
): Constant {
  const [rows, columns] = shape;
  const [up, down] =
    axis === 0
      ? [reshaped(values, [rows, 1]), filled([1, columns], 1)]
      : [filled([rows, 1], 1), reshaped(values, [1, columns])];
  return plusProduct(filled(shape, offset), up, down, 1);
}

/** A matrix with columns of zeros behind its own. */
export function widened(of: Constant, columns: number): Constant {
  const [rows = 0, own = 0] = of.shape;
  if (own >= columns) return of;
  const zeros: Constant = {
    dtype: of.dtype,
    shape: [columns - own, rows],
    source: { kind: "fill", value: 0 },
  };
  return transposed(joined([transposed(of), zeros]));
}

export function inline(values: Float32Array, shape: readonly number[]): Constant {
  return matrix(shape, {
    kind: "inline",
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
}
