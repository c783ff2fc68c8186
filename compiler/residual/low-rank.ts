import { mapParallel } from "../codegen/parallel.js";
import { BLOCK, type GptqPool } from "../gptq/workers.js";
import { symmetricEigen } from "./eigen.js";
import { addTo, dot, orthonormalize } from "./orthonormal.js";

/** Directions that are followed beyond those that are kept: the last ones converge slowly. */
const OVERSAMPLING = 10;
/** How often the directions go through E·H·Eᵀ before the best are chosen. */
const PASSES = 4;

/** E [n, k], what is left of a layer's weights, and how its inputs x are distributed. */
export interface Residual {
  readonly matrix: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** If absent, their elements are independent, of one size and without a mean. */
  readonly inputs?:
    | { /** E[x·xᵀ], [k, k] */ readonly second: Float64Array /** E[x] */; readonly mean: Float64Array }
    | undefined;
}

export interface LowRank {
  /** U [n, r] */
  readonly up: Float64Array;
  /** V [r, k] */
  readonly down: Float64Array;
}

/**
 * U·V of rank r with the least error of the results, E|(E − U·V)·x|². With H = L·Lᵀ that is the truncated singular value
 * decomposition of E·L, U its left vectors and V = Uᵀ·E: all that has to be found are the first eigenvectors of E·H·Eᵀ, and H
 * is neither factored nor inverted. By randomized subspace iteration (Halko, Martinsson and Tropp 2011) from always the same
 * signs. Sums do not depend on the number of threads.
 */
export async function bestLowRank(pool: GptqPool, residual: Residual, rank: number): Promise<LowRank> {
  const { matrix, rows: n, columns: k } = residual;
  const count = Math.min(n, k, rank + OVERSAMPLING);
  const toInputs = (a: Float64Array) => times(pool, a, count, { data: matrix, down: k, right: 1 }, n, k);
  const toResults = (a: Float64Array) => times(pool, a, count, { data: matrix, down: 1, right: k }, k, n);
  let basis = signs(count * n);
  for (let pass = 0; pass < PASSES; pass++) {
    basis = await toResults(await weighted(pool, residual, await toInputs(basis), count));
    orthonormalize(basis, n);
  }
  const seen = await toInputs(basis);
  const weights = await weighted(pool, residual, seen, count);
  const gram = new Float64Array(count * count);
  const row = (of: Float64Array, i: number, width: number) => of.subarray(i * width, (i + 1) * width);
  for (let i = 0; i < count; i++)
    for (let j = 0; j <= i; j++)
      gram[i * count + j] = gram[j * count + i] = dot(row(seen, i, k), row(weights, j, k));
  const { vectors } = symmetricEigen(gram, count);
  const up = new Float64Array(n * rank);
  const down = new Float64Array(rank * k);
  for (let r = 0; r < Math.min(rank, count); r++) {
    const column = new Float64Array(n);
    for (let i = 0; i < count; i++) {
      const share = vectors[r * count + i]!;
      addTo(column, share, row(basis, i, n));
      addTo(row(down, r, k), share, row(seen, i, k));
    }
    for (let i = 0; i < n; i++) up[i * rank + r] = column[i]!;
  }
  return { up, down };
}

/** a·(H − E[x]·E[x]ᵀ): a bias makes up for what the mean loses. */
async function weighted(
  pool: GptqPool,
  { columns: k, inputs }: Residual,
  a: Float64Array,
  rows: number,
): Promise<Float64Array> {
  if (inputs === undefined) return a;
  const out = await times(pool, a, rows, { data: inputs.second, down: k, right: 1 }, k, k);
  for (let i = 0; i < rows * k; i += k)
    addTo(out.subarray(i, i + k), -dot(a.subarray(i, i + k), inputs.mean), inputs.mean);
  return out;
}

/** a [rows, depth] times a matrix [depth, width] whose entry (p, q) lies at p·down + q·right. */
async function times(
  pool: GptqPool,
  a: Float64Array,
  rows: number,
  b: { readonly data: Float64Array | Float32Array; readonly down: number; readonly right: number },
  depth: number,
  width: number,
): Promise<Float64Array> {
  const out = shared(rows * width);
  const starts = Array.from({ length: Math.ceil(width / BLOCK) }, (_, i) => i * BLOCK);
  await mapParallel(starts, pool.threads, (at) => {
    const columns = Math.min(BLOCK, width - at);
    const strip = { ...b, at: at * b.right, columns };
    return pool.run("product", { a, rows, depth, b: strip, out, at, stride: width });
  });
  return out;
}

/** Plus and minus one at random, always the same. */
function signs(count: number): Float64Array {
  const out = shared(count);
  let state = 0x9e3779b9;
  for (let i = 0; i < count; i++) {
    // Xorshift of Marsaglia.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state < 0 ? -1 : 1;
  }
  return out;
}

/** For threads to share. */
function shared(count: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * count));
}
