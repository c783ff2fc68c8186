import { mapParallel } from "../codegen/parallel.js";
import type { Factor, StripJob } from "./cholesky.js";
import { type Moments, notDefinite, prepareMoments } from "./moments.js";
import { BLOCK, type GptqPool } from "./workers.js";

/** Factors H, in its own memory. Throws TRITC_E_MOMENTS where it is not finite or not positive definite. */
export async function factorMoments(
  pool: GptqPool,
  moments: Moments,
  onProgress?: (columns: number, of: number) => void,
): Promise<Factor> {
  const { layer, k, matrix } = moments;
  const { order, damping } = prepareMoments(moments);
  for (let at = 0; at < k; at += BLOCK) {
    const block = { matrix, k, at, first: at, rows: Math.min(BLOCK, k - at) };
    const strips: StripJob[] = [];
    for (let first = at; first < k; first += BLOCK) {
      strips.push({ ...block, first, rows: Math.min(BLOCK, k - first) });
    }
    if (at > 0) await mapParallel(strips, pool.threads, (strip) => pool.run("update", strip));
    const bad = await pool.run("factor", block);
    if (bad >= 0) throw notDefinite(layer, order[bad]!, matrix[bad * k + bad]!);
    await mapParallel(strips.slice(1), pool.threads, (strip) => pool.run("solve", strip));
    onProgress?.(Math.min(at + BLOCK, k), k);
  }
  const pivots = normalize(matrix, k);
  const mean = moments.mean === undefined ? null : new Float64Array(new SharedArrayBuffer(8 * k));
  mean?.forEach((_, j) => {
    mean[j] = moments.mean?.[order[j]!] ?? 0;
  });
  return { k, matrix, pivots, order, damping, mean };
}

/** L to F; gives D. */
function normalize(matrix: Float64Array, k: number): Float64Array<SharedArrayBuffer> {
  const pivots = new Float64Array(new SharedArrayBuffer(8 * k));
  for (let j = 0; j < k; j++) pivots[j] = matrix[j * k + j]! ** 2;
  for (let i = 0; i < k; i++) for (let j = 0; j < i; j++) matrix[i * k + j]! /= matrix[j * k + j]!;
  return pivots;
}
