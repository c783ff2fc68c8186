import type * as Crypto from "node:crypto";
import type * as Fs from "node:fs";
import type { RoundedFormat } from "../../ir/constant/blocks/encode.js";
import type { TernaryMethod } from "../../ir/constant/constant.js";
import type { CodedForm, CodedReader } from "./coded-rows.js";
import type { RowKernel, RowType } from "./kernel.js";

/** What a packer is made with. */
export interface PackerStart {
  readonly modules: Readonly<Partial<Record<RowType, WebAssembly.Module>>>;
  /** Where in the modules' memory the packer's own begins. */
  readonly base: number;
}

/** Ternary codes and scales, the words that are stored, the nearest bf16, or the nearest blocks. */
export type RowMethod = TernaryMethod | "words" | "bf16" | RoundedFormat;

/** Whether rows have scales beside their bytes. */
export function hasScales(method: RowMethod): method is TernaryMethod {
  return method === "exact" || method === "absmean";
}

/** Rows to pack: a block of a file, `count` runs of `runBytes` bytes that begin `stride` bytes apart. */
export interface RowJob {
  readonly file: string;
  readonly offset: number;
  readonly runBytes: number;
  readonly stride: number;
  readonly count: number;
  readonly type: RowType;
  /** Of 8-bit floats: the 16-bit ones of `type` that they become as soon as they are read, by their bits. */
  readonly widened: Uint16Array | null;
  /** Of rows of codes: what they become as soon as they are read. */
  readonly coded: JobCodes | null;
  readonly rows: number;
  readonly width: number;
  /** Whether a row is a column of the block rather than a run of it. */
  readonly transposed: boolean;
  readonly method: RowMethod;
  /** Elements of a row that share a scale, at most `width`, and how many scales that makes: 0 where there are none. */
  readonly group: number;
  readonly groups: number;
  /** Whether codes become four 2-bit codes a byte rather than five trits. */
  readonly twoBit: boolean;
  /** Addresses in the packer's memory, and its end. */
  readonly places: JobPlaces;
}

export interface JobCodes {
  readonly form: CodedForm;
  /** Scales and biases of the job's rows: where a file has them, or themselves. */
  readonly factors: readonly (
    | { readonly file: string; readonly offset: number; readonly bytes: number }
    | { readonly stored: Uint8Array }
  )[];
}

export interface JobPlaces {
  readonly input: number;
  /** Rows that are being turned, `turnedBytes` apart, `group` of them at a time. */
  readonly turned: number;
  readonly turnedBytes: number;
  readonly group: number;
  readonly out: number;
  readonly outRowBytes: number;
  readonly scales: number;
  readonly scratch: number;
  readonly end: number;
}

export type RowResult =
  | {
      readonly kind: "packed";
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly scales: Float32Array<ArrayBuffer>;
      /** SHA-256 of the bytes. */
      readonly hash: string;
      readonly bytesRead: number;
    }
  /** A row of the job, counted from its first, holds NaN or infinity. */
  | { readonly kind: "not-finite"; readonly row: number }
  | { readonly kind: "short"; readonly at: number }
  | { readonly kind: "failed"; readonly message: string; readonly code: string | null };

/**
 * Reads and packs rows in a WebAssembly memory of its own, which grows to what the largest job takes. Self-contained:
 * its text is also the source of the worker threads.
 */
export function createRowPacker(
  fs: Pick<typeof Fs, "openSync" | "readSync">,
  crypto: Pick<typeof Crypto, "createHash">,
  start: PackerStart,
  coding: CodedReader,
): (job: RowJob) => RowResult {
  const PAGE = 65536;
  /** Bytes of one read: large enough for the disk, small enough for the system not to pin much. */
  const READ_BYTES = 1 << 23;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(start.base / PAGE) });
  const kernels = new Map<string, RowKernel>();
  const files = new Map<string, number>();

  function kernelOf(type: RowType): RowKernel {
    const known = kernels.get(type);
    if (known !== undefined) return known;
    const module = start.modules[type];
    if (module === undefined) throw new Error(`no module for ${type}`);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const kernel = exports as unknown as RowKernel;
    kernels.set(type, kernel);
    return kernel;
  }

  /** The position where the file ended too early, or -1. */
  function readInto(fd: number, view: Uint8Array, at: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const count = fs.readSync(fd, view, at + done, Math.min(READ_BYTES, length - done), position + done);
      if (count === 0) return position + done;
      done += count;
    }
    return -1;
  }

  function opened(file: string): number {
    const fd = files.get(file) ?? fs.openSync(file, "r");
    files.set(file, fd);
    return fd;
  }

  /** Reads rows of codes, and what they stand for into their places. */
  function readCodes(job: RowJob, { form, factors }: JobCodes): number {
    const codes = new Uint8Array(job.count * job.runBytes);
    const short = readInto(opened(job.file), codes, 0, codes.length, job.offset);
    if (short >= 0) return short;
    const read: Uint8Array[] = [];
    for (const factor of factors) {
      const bytes = "stored" in factor ? factor.stored : new Uint8Array(factor.bytes);
      const end =
        "stored" in factor ? -1 : readInto(opened(factor.file), bytes, 0, bytes.length, factor.offset);
      if (end >= 0) return end;
      read.push(bytes);
    }
    const { rows, width, places } = job;
    const room = job.type === "f32" ? Float32Array : Uint16Array;
    const [scales = codes, biases = null] = read;
    coding.decode(
      { form, rows, width, codes, scales, biases },
      new room(memory.buffer, places.input, rows * width),
    );
    return -1;
  }

  function readBlock(job: RowJob, view: Uint8Array): number {
    if (job.coded !== null) return readCodes(job, job.coded);
    const fd = opened(job.file);
    const { count, runBytes, stride, offset, widened } = job;
    const bytes = count * runBytes;
    // 8-bit floats go into the second half of their room: a word is then written over bytes that have been read.
    const to = job.places.input + (widened === null ? 0 : bytes);
    if (runBytes === stride) {
      const end = readInto(fd, view, to, bytes, offset);
      if (end >= 0) return end;
    } else {
      for (let i = 0; i < count; i++) {
        const end = readInto(fd, view, to + i * runBytes, runBytes, offset + i * stride);
        if (end >= 0) return end;
      }
    }
    if (widened !== null) {
      const words = new Uint16Array(memory.buffer, job.places.input, bytes);
      for (let i = 0; i < bytes; i++) words[i] = widened[view[to + i]!]!;
    }
    return -1;
  }

  function factorBytes(coded: JobCodes | null): number {
    return (coded?.factors ?? []).reduce((sum, factor) => sum + ("bytes" in factor ? factor.bytes : 0), 0);
  }

  /** Bytes from one run to the next in memory. */
  function runStride({ runBytes, widened, coded, type, width }: RowJob): number {
    if (coded !== null) return width * (type === "f32" ? 4 : 2);
    return widened === null ? runBytes : 2 * runBytes;
  }

  /** Packs `count` rows that lie `stride` bytes apart, as rows `first` and on of the result. */
  function packRows(
    job: RowJob,
    view: Uint8Array,
    rows: number,
    stride: number,
    first: number,
    count: number,
  ) {
    const kernel = kernelOf(job.type);
    const { out, outRowBytes, scales, scratch } = job.places;
    if (job.method === "words") {
      const bad = kernel.firstInfinite(rows, count, stride, job.width);
      for (let i = 0; bad < 0 && i < count; i++) {
        const from = rows + i * stride;
        view.copyWithin(out + (first + i) * outRowBytes, from, from + outRowBytes);
      }
      return bad;
    }
    const to = out + first * outRowBytes;
    const { method, width, group, groups } = job;
    if (method === "bf16") return kernel.bfloats(rows, count, stride, width, to);
    if (method === "Q8_0" || method === "Q4_0")
      return kernel.blocks(rows, count, stride, width, method === "Q4_0" ? 1 : 0, to);
    const absmean = method === "absmean" ? 1 : 0;
    const twoBit = job.twoBit ? 1 : 0;
    const found = scales + 4 * groups * first;
    return kernel.ternarize(rows, count, stride, width, group, absmean, twoBit, to, found, scratch);
  }

  function packAll(job: RowJob, view: Uint8Array): number {
    const { input, turned, turnedBytes, group } = job.places;
    const run = runStride(job);
    if (!job.transposed) return packRows(job, view, input, run, 0, job.rows);
    const element = job.type === "f32" ? 4 : 2;
    for (let row = 0; row < job.rows; row += group) {
      const count = Math.min(group, job.rows - row);
      const from = input + row * element;
      kernelOf(job.type).transpose(from, run, job.width, count, turned, turnedBytes);
      const bad = packRows(job, view, turned, turnedBytes, row, count);
      if (bad >= 0) return row + bad;
    }
    return -1;
  }

  function run(job: RowJob): RowResult {
    const missing = job.places.end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    const view = new Uint8Array(memory.buffer);
    const end = readBlock(job, view);
    if (end >= 0) return { kind: "short", at: end };
    const row = packAll(job, view);
    if (row >= 0) return { kind: "not-finite", row };
    const { out, outRowBytes, scales } = job.places;
    const bytes = view.slice(out, out + job.rows * outRowBytes);
    const scaleBytes = 4 * job.rows * job.groups;
    const found = view.slice(scales, scales + scaleBytes);
    return {
      kind: "packed",
      bytes,
      scales: new Float32Array(found.buffer),
      hash: crypto.createHash("sha256").update(bytes).digest("hex"),
      bytesRead: job.count * job.runBytes + factorBytes(job.coded),
    };
  }

  return (job) => {
    try {
      return run(job);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : null;
      return { kind: "failed", message: String(error), code };
    }
  };
}
