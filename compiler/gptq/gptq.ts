import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { mapParallel } from "../codegen/parallel.js";
import { requireFinite } from "../pack/finite.js";
import type { Factor } from "./cholesky.js";
import type { GptqPool } from "./workers.js";

/** Rows of one job: enough to use a part of F well once it is read, few enough to keep many threads at work. */
export const JOB_ROWS = 64;

/** Rows of a linear layer's weight; all of them, or a part. */
export interface LayerRows {
  /** For messages. */
  readonly name: string;
  /** Of the layer's rows, for messages; 0 if absent. */
  readonly firstRow?: number;
  /** [n, k] */
  readonly weights: Float32Array;
  /** [n] */
  readonly bias?: Float32Array;
}

export interface TernaryRows {
  /** [n, k] */
  readonly codes: Int8Array<ArrayBuffer>;
  /** [n]; f32, as bundles keep them. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** With what the ternary weights lose of the mean input; null where there was neither a bias nor a mean. */
  readonly bias: Float32Array<ArrayBuffer> | null;
  /** Of each row: (ŵ − w)·H·(ŵ − w)ᵀ, and w·H·wᵀ. The layer's relative error is the quotient of their sums. */
  readonly errors: Float64Array<ArrayBuffer>;
  readonly energies: Float64Array<ArrayBuffer>;
}

/**
 * GPTQ on a ternary grid: codes that lose little of w·x for the inputs x that the layer gets, rather than of w. The grid is
 * that of `exact`. Rows are independent of each other, and of the number of threads.
 */
export async function quantizeRows(
  pool: GptqPool,
  factor: Factor,
  { name, firstRow = 0, weights, bias }: LayerRows,
  onProgress?: (rows: number, of: number) => void,
): Promise<TernaryRows> {
  const { k, mean } = factor;
  const n = weights.length / k;
  const result: TernaryRows = {
    codes: new Int8Array(n * k),
    scales: new Float32Array(n),
    bias: bias === undefined && mean === null ? null : new Float32Array(n),
    errors: new Float64Array(n),
    energies: new Float64Array(n),
  };
  let done = 0;
  const starts = Array.from({ length: Math.ceil(n / JOB_ROWS) }, (_, i) => i * JOB_ROWS);
  await mapParallel(starts, pool.threads, async (start) => {
    // A copy: threads get the whole buffer of what they are sent.
    const part = weights.slice(start * k, (start + JOB_ROWS) * k);
    requireFinite(part, k, { tensor: name, firstRow: firstRow + start }, 0);
    const rows = await pool.run("rows", { factor, weights: part, scales: gridOf(part, k) });
    result.codes.set(rows.codes, start * k);
    result.scales.set(rows.scales, start);
    result.bias?.set(
      rows.shifts.map((shift, r) => (bias?.[start + r] ?? 0) + shift),
      start,
    );
    result.errors.set(rows.errors, start);
    result.energies.set(rows.energies, start);
    done += rows.scales.length;
    onProgress?.(done, n);
  });
  return result;
}

function gridOf(weights: Float32Array, k: number): Float32Array {
  const codes = new Int8Array(k);
  return Float32Array.from({ length: weights.length / k }, (_, r) =>
    ternarizeRow(weights.subarray(r * k, (r + 1) * k), "exact", codes),
  );
}
