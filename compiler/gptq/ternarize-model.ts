import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import type { Tensor } from "../../ir/tensor.js";
import { makeFolder } from "../make-folder.js";
import { Journal } from "../pack/journal.js";
import { PackSource } from "../pack/source-files.js";
import type { Factor } from "./cholesky.js";
import { factorMoments } from "./factor.js";
import { JOB_ROWS, quantizeRows } from "./gptq.js";
import { LayerFile } from "./layer-file.js";
import type { PlannedLayer, PlannedModel } from "./plan-model.js";
import { type GptqPool, openGptqPool } from "./workers.js";

export interface TernarizeModelOptions {
  readonly reader: ByteReader;
  /** What says which moments these are: words, and files. */
  readonly calibration: { readonly identity: string; readonly files: readonly string[] };
  /** As many as there are processors if absent, 0 for the calling one. */
  readonly threads?: number | undefined;
  /** Whether to go on from what an earlier run left in the file's folder. */
  readonly resume: boolean;
  /** Rows of weights. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** There are layers that a later run need not do again. */
  readonly onKept?: (() => void) | undefined;
  /** Remarks for people. */
  readonly onNotice?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TernarizedLayer {
  readonly role: string;
  /** What is lost of the squares of its results on the calibration's inputs, before the bias makes up for the mean. */
  readonly error: number;
}

/**
 * Makes all block weights of a model ternary by GPTQ, into the planned file, which has a folder of its own. Layers are done one
 * after the other, a part of their rows in memory at a time, and noted in a journal, from which a later run goes on.
 * Throws TRITC_E_MOMENTS, TRITC_E_CALIBRATION, TRITC_E_WEIGHT_NOT_FINITE and TRITC_E_SOURCE_CHANGED.
 */
export async function ternarizeModel(
  { file: path, inputs }: PlannedModel,
  options: TernarizeModelOptions,
): Promise<readonly TernarizedLayer[]> {
  const { reader, resume, signal, onProgress, onKept, onNotice, threads = availableParallelism() } = options;
  const layers = inputs.flatMap((input) => input.layers);
  const source = sourceOf(layers, options);
  const folder = dirname(path);
  if (!resume) await rm(folder, { recursive: true, force: true });
  await makeFolder(folder);
  const { journal, records } = await Journal.open(join(folder, "journal"), source.identity);
  const file = await LayerFile.open(path);
  const pool = openGptqPool(threads, signal);
  try {
    const hashes = new Map(records.map(({ tensor, hash }) => [tensor, hash]));
    const done = new Set<PlannedLayer>();
    for (const layer of layers) {
      const hash = hashes.get(layer.role);
      if (hash !== undefined && hash === (await file.hash(layer))) done.add(layer);
    }
    const progress = (rows: number) => onProgress?.(rowsOf([...done]) + rows, rowsOf(layers));
    if (done.size > 0) {
      onKept?.();
      onNotice?.(`${done.size} of ${layers.length} layers are calibrated already`);
    }
    progress(0);
    for (const { moments, layers: own } of inputs) {
      const [first, ...others] = own.filter((layer) => !done.has(layer));
      if (first === undefined) continue;
      const read = await moments.read();
      const factor = await factorMoments(pool, { layer: first.role, k: moments.width, ...read });
      for (const layer of [first, ...others]) {
        await ternarizeLayer(pool, factor, { layer, file, reader }, progress);
        const hash = await file.hash(layer);
        await journal.append([{ tensor: layer.role, at: 0, rows: layer.rows, hash, scales: "" }]);
        done.add(layer);
        onKept?.();
      }
    }
    source.check();
    const result: TernarizedLayer[] = [];
    for (const layer of layers) result.push({ role: layer.role, error: await file.loss(layer) });
    return result;
  } finally {
    await pool.close();
    await file.close();
    await journal.close();
  }
}

/** What the file's bytes depend on. */
function sourceOf(layers: readonly PlannedLayer[], { calibration }: TernarizeModelOptions): PackSource {
  const parts = layers.flatMap(({ role, weight, bias }) => [role, weight, ...(bias === null ? [] : [bias])]);
  return PackSource.from([calibration.identity, ...parts], calibration.files);
}

function rowsOf(layers: readonly PlannedLayer[]): number {
  return layers.reduce((sum, { rows }) => sum + rows, 0);
}

interface LayerWork {
  readonly layer: PlannedLayer;
  readonly file: LayerFile;
  readonly reader: ByteReader;
}

async function ternarizeLayer(
  pool: GptqPool,
  factor: Factor,
  { layer, file, reader }: LayerWork,
  onRows: (rows: number) => void,
): Promise<void> {
  const { weightId: name, weight, rows } = layer;
  const bias = layer.bias === null ? undefined : floats(readConstant(layer.bias, reader));
  let [errors, energies] = [0, 0];
  // Every thread has a job.
  const step = JOB_ROWS * pool.threads;
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    const weights = floats(readRows(weight, start, end, reader));
    const part = { name, firstRow: start, weights, ...(bias && { bias: bias.subarray(start, end) }) };
    const found = await quantizeRows(pool, factor, part);
    await file.writeRows(layer, start, found);
    // Row by row: the sums do not depend on the parts.
    for (const error of found.errors) errors += error;
    for (const energy of found.energies) energies += energy;
    onRows(end);
  }
  await file.writeLoss(layer, errors, energies);
}

function floats({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}
