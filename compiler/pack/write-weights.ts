import { type FileHandle, open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { ByteReader } from "../../ir/constant/constant.js";
import { readRows } from "../../ir/constant/read.js";
import { TritcError } from "../../ir/errors.js";
import { isTernary } from "../../ir/format/encoding.js";
import { describeSystemError } from "../system-errors.js";
import { Checkpoints } from "./checkpoints.js";
import { earlierWork, rememberScales } from "./earlier-work.js";
import { requireFinite } from "./finite.js";
import { openFloatPacker } from "./float-rows.js";
import { bufferBytes, type PlannedJob, planPacking } from "./jobs.js";
import type { Journal, PackedRows } from "./journal.js";
import { defaultMemory } from "./memory.js";
import { hasScales, type RowResult } from "./row-packer.js";
import { openRowPool, type RowPool } from "./row-pool.js";
import { segmentsOf, sourceBytes } from "./segments.js";
import { PackSource } from "./source-files.js";
import { type KnownScales, packRows } from "./tensor-rows.js";
import type { PackedLayout, PackedTensor } from "./weights-file.js";

/** Bytes of codes below which they are packed before a WebAssembly module would be made. */
const SMALL_CODES = 1e6;

export interface PackOptions {
  readonly reader: ByteReader;
  /** What the process may take, in bytes; 2 GB if absent, or 256 MB more than it takes. */
  readonly memory?: number | undefined;
  /** What it takes already; looked up if absent. */
  readonly taken?: number | undefined;
  /** Threads that pack; as many as there are processors if absent. 0: none but the calling one. */
  readonly threads?: number | undefined;
  /** What the files of the model are; looked up if absent. */
  readonly source?: PackSource | undefined;
  /** Where to note what is done, and what an earlier run has noted. */
  readonly journal?: Journal | undefined;
  readonly records?: readonly PackedRows[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the model's weights that are packed, and of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface PackReport {
  /** Bytes read from the model's files, some more than once where the memory is short. */
  readonly bytesRead: number;
  /** Bytes of the model's weights that an earlier run had packed. */
  readonly bytesKept: number;
  readonly threads: number;
  /** The most that buffers for rows took at a time, in bytes. */
  readonly bufferBytes: number;
  readonly seconds: number;
}

/**
 * `pack-weights`: writes `weights.safetensors` in bounded memory. The header is known from the shapes; then rows stream
 * from the model's files through packers in threads, each piece to its place. Last come tensors that are small or made of
 * what was found with the codes: the scales. Rows that are on the disk are noted in the journal, and those
 * of an earlier run are kept. On failure, what has been noted stays in the file.
 *
 * Throws TRITC_E_WEIGHT_NOT_FINITE naming tensor and row, TRITC_E_MEMORY, TRITC_E_SOURCE_CHANGED, TRITC_E_FILE_READ
 * and TRITC_E_SYSTEM.
 */
export async function writeWeights(
  path: string,
  layout: PackedLayout,
  options: PackOptions,
): Promise<PackReport> {
  const source = options.source ?? PackSource.of(layout);
  const records = options.records ?? [];
  try {
    const file = await openFile(path, records.length > 0);
    try {
      return await new Packing(file, layout, source, options).run(records);
    } finally {
      await file.close();
    }
  } catch (error) {
    // Errors of an open file name no path.
    throw describeSystemError(error, path) ?? error;
  }
}

/** The file of an earlier run, or a new one. */
async function openFile(path: string, isThere: boolean): Promise<FileHandle> {
  if (!isThere) return open(path, "w+");
  try {
    return await open(path, "r+");
  } catch {
    return open(path, "w+");
  }
}

class Packing {
  readonly #file: FileHandle;
  readonly #layout: PackedLayout;
  readonly #source: PackSource;
  readonly #options: PackOptions;
  readonly #checkpoints: Checkpoints;
  readonly #scales: KnownScales = new WeakMap();
  readonly #held: number[] = [];
  #bufferBytes = 0;
  #bytesRead = 0;
  #done = 0;
  #total = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: FileHandle, layout: PackedLayout, source: PackSource, options: PackOptions) {
    this.#file = file;
    this.#layout = layout;
    this.#source = source;
    this.#options = options;
    this.#checkpoints = new Checkpoints(file, source, options.journal);
  }

  async run(records: readonly PackedRows[]): Promise<PackReport> {
    const started = performance.now();
    const { taken = process.memoryUsage.rss(), memory = defaultMemory(taken), threads } = this.#options;
    const kept = await earlierWork(this.#file, this.#layout, records, this.#scales);
    const plan = planPacking(this.#layout.tensors, {
      memory,
      taken,
      threads,
      processors: availableParallelism(),
      isDone: kept.isDone,
    });
    await this.#file.truncate(this.#layout.fileBytes);
    await this.#write(this.#layout.header, 0);
    this.#total = this.#layout.tensors.reduce((sum, packed) => sum + progressBytes(packed), 0);
    this.#progress(kept.bytes);
    if (plan.jobs.length > 0) {
      const pool = await openRowPool(plan.types, Math.min(plan.threads, plan.jobs.length));
      try {
        await this.#runJobs(pool, plan.jobs, Math.max(1, Math.min(plan.threads, plan.jobs.length)));
      } finally {
        await pool.close();
      }
    }
    await this.#writeOthers(plan.others);
    await this.#file.sync();
    this.#source.check();
    return {
      bytesRead: this.#bytesRead,
      bytesKept: kept.bytes,
      threads: plan.threads,
      bufferBytes: this.#bufferBytes,
      seconds: (performance.now() - started) / 1000,
    };
  }

  /** Every packer takes the next job when it has done one, and makes it while the last one's rows are written. */
  async #runJobs(pool: RowPool, jobs: readonly PlannedJob[], packers: number): Promise<void> {
    let next = 0;
    const begin = (packer: number) => {
      const planned = this.#failure === undefined ? jobs[next++] : undefined;
      if (planned === undefined) return undefined;
      const needed = bufferBytes(planned.job);
      this.#held[packer] = Math.max(this.#held[packer] ?? 0, needed);
      this.#bufferBytes = Math.max(
        this.#bufferBytes,
        this.#held.reduce((a, b) => a + b, 0),
      );
      return { planned, result: pool.run(packer, planned.job) };
    };
    const pack = async (packer: number) => {
      let current = begin(packer);
      try {
        while (current !== undefined) {
          const { planned } = current;
          const result = await current.result;
          this.#options.signal?.throwIfAborted();
          current = begin(packer);
          // A failure in the meantime is found when it is waited for.
          current?.result.catch(() => undefined);
          await this.#take(planned, result);
        }
      } catch (error) {
        this.#failure ??= { error };
        await current?.result.catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: packers }, (_, packer) => pack(packer)));
    if (this.#failure === undefined) return this.#checkpoints.finish();
    // What is done is kept as far as it can be; the first failure is the one to tell.
    await this.#checkpoints.finish().catch(() => undefined);
    throw this.#failure.error;
  }

  /** Writes a job's rows. */
  async #take(planned: PlannedJob, result: RowResult): Promise<void> {
    if (result.kind !== "packed") return this.#refuse(planned, result);
    const { packed, segment, at, weightRow, job } = planned;
    await this.#write(result.bytes, packed.offset + at * job.places.outRowBytes);
    this.#bytesRead += result.bytesRead;
    if (hasScales(job.method)) rememberScales(segment, weightRow, result.scales, this.#scales);
    const scales = Buffer.from(result.scales.buffer).toString("base64");
    const { hash, bytes } = result;
    this.#checkpoints.add({ tensor: packed.tensor.name, at, rows: job.rows, hash, scales }, bytes.length);
    this.#progress(sourceBytes(segment, job.rows));
  }

  /** Throws what a packer could not do. */
  async #refuse(
    { packed, segment, at, weightRow, job }: PlannedJob,
    result: Exclude<RowResult, { readonly kind: "packed" }>,
  ): Promise<never> {
    const { name } = packed.tensor;
    this.#source.check();
    switch (result.kind) {
      case "not-finite": {
        const row = weightRow + result.row;
        const { data } = readRows(segment.weight, row, row + 1, this.#options.reader);
        requireFinite(
          Float64Array.from(data, Number),
          job.width,
          { tensor: name, firstRow: at + result.row },
          0,
        );
        throw new Error(`${name}: row ${at + result.row} is not finite in one reading and finite in another`);
      }
      case "short":
        throw new TritcError({
          code: "TRITC_E_FILE_READ",
          message: "the file ends before the bytes that are needed",
          place: job.file,
          expected: `rows ${at} to ${at + job.rows - 1} of ${name}`,
          found: `the end of the file at byte ${result.at}`,
          remedy: "check that the download is complete, and that nothing writes to the file",
        });
      case "failed": {
        const error = new Error(`${name}, rows from ${at}: ${result.message}`);
        if (result.code !== null) throw Object.assign(error, { code: result.code, path: job.file });
        throw error;
      }
    }
  }

  async #writeOthers(others: readonly PackedTensor[]): Promise<void> {
    const reader: ByteReader = {
      read: (file, offset, length) => {
        this.#bytesRead += length;
        return this.#options.reader.read(file, offset, length);
      },
    };
    // Codes first, because finding them gives the scales.
    const order = [...others].sort(
      (a, b) => Number(isTernary(b.tensor.encoding)) - Number(isTernary(a.tensor.encoding)),
    );
    const codes = others.filter(({ tensor }) => isTernary(tensor.encoding));
    const packFloats =
      codes.reduce((sum, { bytes }) => sum + bytes, 0) < SMALL_CODES ? undefined : await openFloatPacker();
    for (const { tensor, offset, bytes } of order) {
      let at = offset;
      for (const piece of packRows(tensor, reader, this.#scales, packFloats)) {
        this.#options.signal?.throwIfAborted();
        await this.#write(piece, at);
        at += piece.length;
        this.#progress(piece.length);
      }
      if (at !== offset + bytes) throw new Error(`${tensor.name}: ${at - offset} bytes instead of ${bytes}`);
    }
  }

  #progress(bytes: number): void {
    this.#done += bytes;
    this.#options.onProgress?.(this.#done, this.#total);
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}

/** What a tensor counts for in the progress: bytes of the model where they are known, else of the file. */
function progressBytes({ tensor, bytes }: PackedTensor): number {
  const segments = segmentsOf(tensor);
  return segments === undefined
    ? bytes
    : segments.reduce((sum, segment) => sum + sourceBytes(segment, segment.count), 0);
}
