import { availableParallelism } from "node:os";
import type { ByteReader } from "../../ir/constant/constant.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import type { Tensor } from "../../ir/tensor.js";
import { PackSource } from "../pack/source-files.js";
import type { Factor } from "./cholesky.js";
import { factorMoments } from "./factor.js";
import { JOB_ROWS, quantizeRows } from "./gptq.js";
import { readLoss, writeLoss, writeTernaryRows } from "./layer-file.js";
import { LayerWork, type LayerWorkOptions } from "./layer-work.js";
import type { PlannedLayer, PlannedModel } from "./plan-model.js";
import type { PlannedFile } from "./planned-file.js";
import { type GptqPool, openGptqPool } from "./workers.js";

export interface TernarizeModelOptions extends LayerWorkOptions {
  readonly reader: ByteReader;
  /** What says which moments these are: words, and files. */
  readonly calibration: { readonly identity: string; readonly files: readonly string[] };
  /** As many as there are processors if absent, 0 for the calling one. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TernarizedLayer {
  readonly role: string;
  /** What is lost of the squares of its results on the calibration's inputs, before the bias makes up for the mean. */
  readonly error: number;
}

/**
 * Makes all block weights of a model ternary by GPTQ, into the planned file, see `LayerWork`; a part of a layer's rows is in
 * memory at a time.
 * Throws TRITC_E_MOMENTS, TRITC_E_CALIBRATION, TRITC_E_WEIGHT_NOT_FINITE and TRITC_E_SOURCE_CHANGED.
 */
export async function ternarizeModel(
  { file: path, inputs }: PlannedModel,
  options: TernarizeModelOptions,
): Promise<readonly TernarizedLayer[]> {
  const { reader, signal, threads = availableParallelism() } = options;
  const layers = inputs.flatMap((input) => input.layers);
  const work = await LayerWork.open(path, layers, sourceOf(layers, options), "calibrated", options);
  const pool = openGptqPool(threads, signal);
  try {
    for (const { moments, layers: own } of inputs) {
      const [first, ...others] = own.filter((layer) => work.isToDo(layer));
      if (first === undefined) continue;
      const read = await moments.read();
      const factor = await factorMoments(pool, { layer: first.role, k: moments.width, ...read });
      for (const layer of [first, ...others]) {
        const { file } = work;
        await ternarizeLayer(pool, factor, { layer, file, reader }, (rows) => work.progress(rows));
        await work.finish(layer);
      }
    }
    work.check();
    const result: TernarizedLayer[] = [];
    for (const layer of layers) result.push({ role: layer.role, error: await readLoss(work.file, layer) });
    return result;
  } finally {
    await pool.close();
    await work.close();
  }
}

/** What the file's bytes depend on. */
function sourceOf(layers: readonly PlannedLayer[], { calibration }: TernarizeModelOptions): PackSource {
  const parts = layers.flatMap(({ role, weight, group, bias }) => [
    ...[group === null ? role : `${role} in groups of ${group}`, weight],
    ...(bias === null ? [] : [bias]),
  ]);
  return PackSource.from([calibration.identity, ...parts], calibration.files);
}

interface LayerJob {
  readonly layer: PlannedLayer;
  readonly file: PlannedFile;
  readonly reader: ByteReader;
}

async function ternarizeLayer(
  pool: GptqPool,
  factor: Factor,
  { layer, file, reader }: LayerJob,
  onRows: (rows: number) => void,
): Promise<void> {
  const { weightId: name, weight, rows, group } = layer;
  const bias = layer.bias === null ? undefined : floats(readConstant(layer.bias, reader));
  let [errors, energies] = [0, 0];
  // Every thread has a job.
  const step = JOB_ROWS * pool.threads;
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    const weights = floats(readRows(weight, start, end, reader));
    const part = { name, firstRow: start, weights, group, ...(bias && { bias: bias.subarray(start, end) }) };
    const found = await quantizeRows(pool, factor, part);
    await writeTernaryRows(file, layer, start, found);
    // Row by row: the sums do not depend on the parts.
    for (const error of found.errors) errors += error;
    for (const energy of found.energies) energies += energy;
    onRows(end);
  }
  await writeLoss(file, layer, errors, energies);
}

function floats({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}
