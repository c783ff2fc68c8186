export interface AttentionProblem {
  readonly heads: number;
  readonly headDim: number;
  readonly rows: number;
  readonly keys: number;
  readonly scale: number;
}

/** softmax(scale · q · kᵀ) · v of dense rows in double precision. */
export function attentionOf(
  { heads, headDim, rows, keys, scale }: AttentionProblem,
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
): Float64Array {
  const c = heads * headDim;
  const out = new Float64Array(rows * c);
  const scores = new Float64Array(keys);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < rows; t++) {
      const row = t * c + h * headDim;
      for (let key = 0; key < keys; key++) {
        let sum = 0;
        for (let d = 0; d < headDim; d++) sum += q[row + d]! * k[key * c + h * headDim + d]!;
        scores[key] = sum * scale;
      }
      const peak = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((s) => Math.exp(s - peak));
      const total = weights.reduce((a, b) => a + b);
      for (const [key, weight] of weights.entries()) {
        for (let d = 0; d < headDim; d++) {
          out[row + d] = out[row + d]! + (weight / total) * v[key * c + h * headDim + d]!;
        }
      }
    }
  }
  return out;
}

/**
 * Keys whose lengths grow along the rows, so that larger and larger scores appear in a pass over them. `spread` is the
 * ratio of the last one's length to the first one's.
 */
export function growing(values: Float32Array, columns: number, spread: number): Float32Array<ArrayBuffer> {
  const rows = values.length / columns;
  return Float32Array.from(
    values,
    (x, i) => x * spread ** (Math.floor(i / columns) / Math.max(1, rows - 1) - 0.5),
  );
}

/** Relative error in the 2-norm. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}
