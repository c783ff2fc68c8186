import { type GroupSize, groupsOf } from "../../ir/ternary/groups.js";
import { ternarizeGroups } from "../../ir/ternary/ternarize.js";
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
  /** Inputs that share a scale; all of a row's if absent. */
  readonly group?: GroupSize | null;
  /** [n] */
  readonly bias?: Float32Array;
}

export interface TernaryRows {
  /** [n, k] */
  readonly codes: Int8Array<ArrayBuffer>;
  /** [n], or [n, groups]; f32, as bundles keep them. */
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
  { name, firstRow = 0, weights, group = null, bias }: LayerRows,
  onProgress?: (rows: number, of: number) => void,
): Promise<TernaryRows> {
  const { k, mean } = factor;
  const n = weights.length / k;
  const groups = groupsOf(k, group);
  const result: TernaryRows = {
    codes: new Int8Array(n * k),
    scales: new Float32Array(n * groups),
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
    const rows = await pool.run("rows", {
      ...{ factor, weights: part, scales: gridOf(part, k, group) },
      group: group ?? k,
    });
    result.codes.set(rows.codes, start * k);
    result.scales.set(rows.scales, start * groups);
    result.bias?.set(
      rows.shifts.map((shift, r) => (bias?.[start + r] ?? 0) + shift),
      start,
    );
    result.errors.set(rows.errors, start);
    result.energies.set(rows.energies, start);
    done += rows.errors.length;
    onProgress?.(done, n);
  });
  return result;
}

function gridOf(weights: Float32Array, k: number, group: GroupSize | null): Float32Array {
  const codes = new Int8Array(k);
  const [rows, groups] = [weights.length / k, groupsOf(k, group)];
  const scales = new Float32Array(rows * groups);
  for (let r = 0; r < rows; r++) {
    const own = scales.subarray(r * groups, (r + 1) * groups);
    ternarizeGroups(weights.subarray(r * k, (r + 1) * k), "exact", group, codes, own);
  }
  return scales;
}
