import { availableParallelism } from "node:os";
import type { ByteReader } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { roundToHalf } from "../../ir/constant/float16.js";
import { constantReader, readConstant, readRows } from "../../ir/constant/read.js";
import type { Tensor } from "../../ir/tensor.js";
import { groupSizeOf } from "../../ir/ternary/groups.js";
import { LayerWork, type LayerWorkOptions } from "../gptq/layer-work.js";
import { type GptqPool, openGptqPool } from "../gptq/workers.js";
import { requireFinite } from "../pack/finite.js";
import { PackSource } from "../pack/source-files.js";
import { bestLowRank, type LowRank, type Residual } from "./low-rank.js";
import { dot } from "./orthonormal.js";
import type { BranchedLayer, PlannedBranches } from "./plan-branches.js";

/** Weights that are read at a time. */
const CHUNK_ELEMENTS = 1 << 22;

export interface FitBranchesOptions extends LayerWorkOptions {
  readonly reader: ByteReader;
  /** What says which moments these are: words, and files. */
  readonly calibration?: { readonly identity: string; readonly files: readonly string[] } | undefined;
  /** As many as there are processors if absent, 0 for the calling one. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the branches of a model for what its ternary weights lose, into the planned file, see `LayerWork`. The ternary weights
 * must be there. In memory are what one layer loses in f32, its codes, and the second moments of its input in f64.
 * Throws TRITC_E_CALIBRATION, TRITC_E_WEIGHT_NOT_FINITE and TRITC_E_SOURCE_CHANGED.
 */
export async function fitBranches(plan: PlannedBranches, options: FitBranchesOptions): Promise<void> {
  const { layers, file } = plan;
  const { reader, signal, threads = availableParallelism() } = options;
  const source = sourceOf(plan, options);
  const work = await LayerWork.open(file, layers, source, "supplied with a branch", options);
  const pool = openGptqPool(threads, signal);
  try {
    for (const moments of new Set(layers.map((layer) => layer.moments))) {
      const own = layers.filter((layer) => layer.moments === moments && work.isToDo(layer));
      if (own.length === 0) continue;
      const read = await moments?.read();
      const inputs = read && { second: read.matrix, mean: read.mean };
      for (const layer of own) {
        const bytes = await branchBytes(pool, layer, { inputs, reader }, plan.rank);
        await work.file.write(bytes, layer.offset);
        await work.finish(layer);
        work.progress(0);
      }
    }
    work.check();
  } finally {
    await pool.close();
    await work.close();
  }
}

/** What the file's bytes depend on. */
function sourceOf({ layers, rank }: PlannedBranches, { calibration }: FitBranchesOptions): PackSource {
  const { identity = "", files = [] } = calibration ?? {};
  const parts = layers.flatMap(({ role, weight, bias, codes, scales }) => [
    ...[role, weight, codes, scales],
    ...(bias === null ? [] : [bias]),
  ]);
  return PackSource.from([`rank ${rank}`, identity, ...parts], files);
}

interface LayerInput {
  readonly reader: ByteReader;
  readonly inputs: Residual["inputs"];
}

/** U, V and, by moments, the bias as they lie in the file. */
async function branchBytes(
  pool: GptqPool,
  layer: BranchedLayer,
  { reader, inputs }: LayerInput,
  rank: number,
): Promise<Uint8Array> {
  const { rows, columns, bias } = layer;
  const residual = { matrix: residualOf(layer, reader), rows, columns, inputs };
  const found = rounded(await bestLowRank(pool, residual, rank), rank);
  const bytes = [encodeBytes("f16", found.up), encodeBytes("f16", found.down)];
  if (inputs !== undefined) {
    const own = bias === null ? new Float32Array(rows) : floats(readConstant(bias, reader));
    bytes.push(encodeBytes("f32", shiftedBias(own, residual, found, inputs.mean)));
  }
  return Buffer.concat(bytes);
}

/** W − s·T, for threads to share. */
function residualOf({ weightId, weight, codes, scales, rows, columns }: BranchedLayer, reader: ByteReader) {
  const read = constantReader(reader, {});
  const { data: t } = read(codes);
  if (!(t instanceof Int8Array)) throw new Error(`${weightId} has no codes`);
  const s = floats(read(scales));
  const group = groupSizeOf(columns, scales.shape) ?? columns;
  const [, groups = 1] = scales.shape;
  const out = new Float32Array(new SharedArrayBuffer(4 * rows * columns));
  const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / columns));
  for (let start = 0; start < rows; start += step) {
    const w = floats(readRows(weight, start, Math.min(rows, start + step), reader));
    requireFinite(w, columns, { tensor: weightId, firstRow: start }, 0);
    for (let i = 0; i < w.length; i++) {
      const at = start * columns + i;
      const [row, column] = [Math.floor(at / columns), at % columns];
      out[at] = w[i]! - s[row * groups + Math.floor(column / group)]! * t[at]!;
    }
  }
  return out;
}

/** In f16, with equal largest elements in a column of U and the row of V that it meets. */
function rounded({ up, down }: LowRank, rank: number): LowRank {
  const k = down.length / rank;
  for (let r = 0; r < rank; r++) {
    let [most, other] = [0, 0];
    for (let i = r; i < up.length; i += rank) most = Math.max(most, Math.abs(up[i]!));
    for (let j = r * k; j < (r + 1) * k; j++) other = Math.max(other, Math.abs(down[j]!));
    const factor = most > 0 && other > 0 ? Math.sqrt(other / most) : 0;
    for (let i = r; i < up.length; i += rank) up[i] = roundToHalf(up[i]! * factor);
    for (let j = r * k; j < (r + 1) * k; j++) down[j] = factor > 0 ? roundToHalf(down[j]! / factor) : 0;
  }
  return { up, down };
}

/** b + (E − U·V)·E[x]: what is still lost of the mean input. */
function shiftedBias(
  bias: ArrayLike<number>,
  { matrix, columns }: Residual,
  { up, down }: LowRank,
  mean: Float64Array,
): Float32Array {
  const rank = down.length / columns;
  const inner = Float64Array.from({ length: rank }, (_, r) =>
    dot(down.subarray(r * columns, (r + 1) * columns), mean),
  );
  return Float32Array.from(bias, (value, i) => {
    const lost = dot(matrix.subarray(i * columns, (i + 1) * columns), mean);
    return value + lost - dot(up.subarray(i * rank, (i + 1) * rank), inner);
  });
}

function floats({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}
