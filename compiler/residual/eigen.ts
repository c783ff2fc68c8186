/** Sweeps within which Jacobi's method has converged by far: it does so quadratically. */
const MOST_SWEEPS = 30;

/** Of a symmetric matrix: eigenvalues, descending, and an eigenvector of each in a row. */
export interface Eigen {
  readonly values: Float64Array;
  /** [n, n] */
  readonly vectors: Float64Array;
}

/** By Jacobi's rotations of two rows and columns at a time. Takes the matrix [n, n] over. */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  let size = 0;
  for (let i = 0; i < n; i++) size += Math.abs(matrix[i * n + i]!);
  const small = Number.EPSILON * size;
  for (let sweep = 0; sweep < MOST_SWEEPS && rotateAll(matrix, vectors, n, small); sweep++);
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => matrix[b * n + b]! - matrix[a * n + a]! || a - b,
  );
  const sorted = new Float64Array(n * n);
  for (const [i, from] of order.entries()) sorted.set(vectors.subarray(from * n, (from + 1) * n), i * n);
  return { values: Float64Array.from(order, (i) => matrix[i * n + i]!), vectors: sorted };
}

/** A sweep over all pairs; whether one was more than `small`. */
function rotateAll(matrix: Float64Array, vectors: Float64Array, n: number, small: number): boolean {
  let rotated = false;
  for (let p = 0; p < n; p++) {
    for (let q = p + 1; q < n; q++) {
      const [app, aqq, apq] = [matrix[p * n + p]!, matrix[q * n + q]!, matrix[p * n + q]!];
      if (Math.abs(apq) <= small) continue;
      rotated = true;
      const theta = (aqq - app) / (2 * apq);
      const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
      const c = 1 / Math.sqrt(t * t + 1);
      turn(matrix, p, q, c, t * c, 1, n, n);
      turn(matrix, p, q, c, t * c, n, 1, n);
      turn(vectors, p, q, c, t * c, n, 1, n);
    }
  }
  return rotated;
}

/** Vectors p and q, whose elements lie `step` apart, become c·p − s·q and s·p + c·q. */
function turn(
  data: Float64Array,
  p: number,
  q: number,
  c: number,
  s: number,
  from: number,
  step: number,
  n: number,
): void {
  for (let i = 0; i < n; i++) {
    const [at, to] = [p * from + i * step, q * from + i * step];
    const [x, y] = [data[at]!, data[to]!];
    data[at] = c * x - s * y;
    data[to] = s * x + c * y;
  }
}
