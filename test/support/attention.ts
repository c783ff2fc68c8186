import { type LaunchRequest, matrix, output } from "./launch.js";
import { randomFloats } from "./random.js";

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

/** A launch of attention on keys that grow, and what it leaves in double precision. */
export function attentionCase(
  size: Omit<AttentionProblem, "scale"> & { readonly keyValueHeads?: number },
  aligned: boolean,
) {
  const { heads, headDim, rows, keys, keyValueHeads = heads } = size;
  const [c, narrow] = [heads * headDim, keyValueHeads * headDim];
  const scale = 1 / Math.sqrt(headDim);
  const [q, v] = [randomFloats(21, rows * c), randomFloats(23, keys * narrow)];
  const k = growing(randomFloats(22, keys * narrow), narrow, 4);
  // Rows that begin where vectors do, or not.
  const placed = (data: Float32Array, count: number, width: number, offset: number) =>
    matrix(
      data,
      count,
      width,
      aligned ? { rowStride: width + 8, offset: 4 } : { rowStride: width + 3, offset },
    );
  const sharing = heads / keyValueHeads;
  const ofHeads = (data: Float32Array) =>
    Float32Array.from({ length: keys * c }, (_, i) => {
      const [key, channel] = [Math.floor(i / c), i % c];
      const head = Math.floor(channel / headDim / sharing);
      return data[key * narrow + head * headDim + (channel % headDim)]!;
    });
  return {
    params: { heads, headDim, scale, ...(sharing === 1 ? {} : { keyValueHeads }) },
    request: {
      rows,
      args: {
        q: placed(q, rows, c, 1),
        k: placed(k, keys, narrow, 2),
        v: placed(v, keys, narrow, 3),
        out: output(rows, c, { rowStride: c + 1 }),
      },
      scalars: [keys],
      grid: [heads, rows, 1],
    } satisfies LaunchRequest,
    expected: attentionOf({ ...size, scale }, q, ofHeads(k), ofHeads(v)),
  };
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
