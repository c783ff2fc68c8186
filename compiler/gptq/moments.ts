import { TritcError } from "../../ir/errors.js";

/** Second moments of what a linear layer reads, as calibration has gathered them. */
export interface Moments {
  /** For messages: the layer, or the first of those that read this input. */
  readonly layer: string;
  readonly k: number;
  /** H = E[xᵀx], [k, k]. The entries with row ≥ column are read. Factoring takes the array over. */
  readonly matrix: Float64Array<SharedArrayBuffer>;
  /** E[x] */
  readonly mean?: ArrayLike<number>;
}

/** Added to H's diagonal, as a share of its mean: H of few tokens is singular. */
const DAMPING = 0.01;

/**
 * Sorts rows and columns of H in place by its diagonal, ascending, and damps it. `order` says which input a column was;
 * of equal ones the first comes last.
 */
export function prepareMoments({ layer, k, matrix }: Moments): {
  order: Int32Array<SharedArrayBuffer>;
  damping: number;
} {
  mirror(layer, k, matrix);
  const diagonal = Float64Array.from({ length: k }, (_, i) => matrix[i * k + i]!);
  const least = diagonal.findIndex((value) => value < 0);
  if (least >= 0) throw notDefinite(layer, least, diagonal[least]!);
  const damping = (DAMPING * diagonal.reduce((sum, value) => sum + value, 0)) / k;
  if (damping === 0) {
    throw badMoments(
      layer,
      "the second moments of the layer's input are all zero",
      "an input that is not always zero",
      "zeros",
    );
  }
  const order = new Int32Array(new SharedArrayBuffer(4 * k));
  for (let i = 0; i < k; i++) order[i] = i;
  order.sort((a, b) => diagonal[a]! - diagonal[b]! || b - a);
  permute(matrix, k, order);
  for (let i = 0; i < k; i++) matrix[i * k + i]! += damping;
  return { order, damping };
}

/** Copies the lower triangle to the upper one. */
function mirror(layer: string, k: number, matrix: Float64Array): void {
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      const value = matrix[i * k + j]!;
      if (!Number.isFinite(value)) {
        throw badMoments(
          layer,
          "a second moment of the layer's input is not a finite number",
          "finite moments",
          `${value} at [${i}, ${j}]`,
        );
      }
      matrix[j * k + i] = value;
    }
  }
}

/** Row and column i become what row and column `order[i]` were. */
function permute(matrix: Float64Array, k: number, order: Int32Array): void {
  const row = (i: number) => matrix.subarray(i * k, (i + 1) * k);
  const held = new Float64Array(k);
  for (let i = 0; i < k; i++) {
    held.set(row(i));
    for (let j = 0; j < k; j++) matrix[i * k + j] = held[order[j]!]!;
  }
  const done = new Uint8Array(k);
  for (let start = 0; start < k; start++) {
    if (done[start]) continue;
    held.set(row(start));
    let i = start;
    for (; order[i] !== start; i = order[i]!) {
      row(i).set(row(order[i]!));
      done[i] = 1;
    }
    row(i).set(held);
    done[i] = 1;
  }
}

export function notDefinite(layer: string, input: number, pivot: number): TritcError {
  return badMoments(
    layer,
    "the second moments of the layer's input are not positive definite",
    "moments of real inputs",
    `a pivot of ${pivot} at input ${input}`,
  );
}

function badMoments(layer: string, message: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_MOMENTS",
    message,
    place: layer,
    expected,
    found,
    remedy:
      "calibrate the model again: what was gathered of this layer is damaged, overflowed, or of no samples",
  });
}
