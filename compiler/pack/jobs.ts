import { BLOCK_LAYOUTS } from "../../ir/constant/blocks/index.js";
import { type NarrowFloat, widenNarrow } from "../../ir/constant/float8.js";
import { byteLength } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { type Encoding, isTernary } from "../../ir/format/encoding.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { codeRowBytes } from "../../ir/ternary/storage.js";
import { factorBytes, floatsFrom } from "./coded-matrix.js";
import { KERNEL_BYTES, type RowType } from "./kernel.js";
import { hasScales, type JobCodes, type JobPlaces, type RowJob } from "./row-packer.js";
import { type Segment, segmentsOf, sourceBytes } from "./segments.js";
import { storedBytesOf } from "./stored-matrix.js";
import type { PackedTensor } from "./weights-file.js";

/** What the process may come to take besides packers, more than when the plan is made. */
const SLACK_BYTES = 32e6;
/** What a thread takes besides its buffers. */
const THREAD_BYTES = 24e6;
/** A packer is no faster with more. */
const MOST_PACKER_BYTES = 192e6;
/** What is read at a time where rows are stored as rows. */
const DIRECT_BYTES = 8e6;
/** Rows turned at a time: one line of a cache from every stored row. */
const GROUP = 32;
/** Keeps turned rows in different sets of the cache where their width is a multiple of a power of two. */
const PADDING = 64;
/** Models below this are packed in this thread: starting others takes longer. */
const SMALL_BYTES = 32e6;

/** Rows of a segment that are packed at once. */
export interface PlannedJob {
  readonly packed: PackedTensor;
  readonly segment: Segment;
  /** First row of the tensor, and of the weight. */
  readonly at: number;
  readonly weightRow: number;
  readonly job: RowJob;
}

export interface PackPlan {
  /** 0: in the calling thread. */
  readonly threads: number;
  /** Bytes of buffers that each packer may hold. */
  readonly packerBytes: number;
  readonly jobs: readonly PlannedJob[];
  readonly types: ReadonlySet<RowType>;
  /** Tensors that no packer takes. */
  readonly others: readonly PackedTensor[];
}

export interface PlanOptions {
  /** What the process may take, in bytes. */
  readonly memory: number;
  /** What it takes already: Node.js, and the compiler's graph and kernels. */
  readonly taken: number;
  readonly processors: number;
  /** Threads to use, 0 for none but the calling one; as many as there are processors if absent. */
  readonly threads?: number | undefined;
  /** Whether a tensor's row has been packed before. */
  readonly isDone: (tensor: string, row: number) => boolean;
}

interface Placed {
  readonly packed: PackedTensor;
  readonly segment: Segment;
}

/**
 * Divides the rows of a weight file into jobs that fit the memory, in the order of the model's files. Throws
 * TRITC_E_MEMORY where the memory is less than what one thread needs.
 */
export function planPacking(tensors: readonly PackedTensor[], options: PlanOptions): PackPlan {
  const placed: Placed[] = [];
  const others: PackedTensor[] = [];
  for (const packed of tensors) {
    const segments = segmentsOf(packed.tensor);
    if (segments === undefined) others.push(packed);
    else placed.push(...segments.map((segment) => ({ packed, segment })));
  }
  const least = placed.reduce((most, { segment }) => Math.max(most, bufferBytes(jobOf(segment, 0, 1))), 0);
  const perThread = THREAD_BYTES + least;
  const base = options.taken + SLACK_BYTES;
  const room = options.memory - base;
  if (room < perThread) throw tooLittle(options.memory, base + perThread);
  const source = placed.reduce((sum, { segment }) => sum + sourceBytes(segment, segment.count), 0);
  const wanted = options.threads ?? (source < SMALL_BYTES ? 0 : options.processors);
  const threads = Math.min(wanted, Math.floor(room / perThread));
  const packerBytes = Math.min(MOST_PACKER_BYTES, Math.floor(room / Math.max(1, threads)) - THREAD_BYTES);
  const jobs = placed
    .flatMap(({ packed, segment }) => [...jobsOf(packed, segment, packerBytes, options.isDone)])
    .sort((a, b) =>
      a.job.file === b.job.file ? a.job.offset - b.job.offset : a.job.file < b.job.file ? -1 : 1,
    );
  return { threads, packerBytes, jobs, types: new Set(placed.map((p) => p.segment.matrix.type)), others };
}

/** Bytes of buffers that a job takes: the packer's memory, and results on their way, one written, one made. */
export function bufferBytes({ places, rows, groups, coded, count, runBytes }: RowJob): number {
  return (
    places.end + (coded === null ? 0 : 2 * count * runBytes) + 2 * rows * (places.outRowBytes + 4 * groups)
  );
}

function* jobsOf(
  packed: PackedTensor,
  segment: Segment,
  budget: number,
  isDone: PlanOptions["isDone"],
): Generator<PlannedJob, void> {
  const step = rowsAtATime(segment, budget);
  const { name } = packed.tensor;
  for (let first = 0; first < segment.count; ) {
    if (isDone(name, segment.at + first)) {
      first++;
      continue;
    }
    let rows = 1;
    while (rows < step && first + rows < segment.count && !isDone(name, segment.at + first + rows)) rows++;
    yield {
      packed,
      segment,
      at: segment.at + first,
      weightRow: segment.start + first,
      job: jobOf(segment, first, rows),
    };
    first += rows;
  }
}

function rowsAtATime(segment: Segment, budget: number): number {
  const { count, matrix } = segment;
  const direct = matrix.columnStride === 1;
  const fits = (rows: number) =>
    bufferBytes(jobOf(segment, 0, rows)) <= budget && (!direct || sourceBytes(segment, rows) <= DIRECT_BYTES);
  let [low, high] = [1, count];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  // Tiles of equal size, which share no line of the cache.
  const even = Math.ceil(count / Math.ceil(count / low));
  return Math.min(low, Math.ceil(even / GROUP) * GROUP);
}

/** The job of `rows` rows from row `first` of a segment. */
function jobOf(segment: Segment, first: number, rows: number): RowJob {
  const { matrix, method, group, encoding, start } = segment;
  const { file, type, width, rowStride, columnStride } = matrix;
  const transposed = columnStride !== 1;
  const element = storedBytesOf(matrix, 1);
  return {
    file,
    offset: matrix.offset + (start + first) * rowStride * element,
    runBytes: (transposed ? rows : width) * element,
    stride: (transposed ? columnStride : rowStride) * element,
    count: transposed ? width : rows,
    type,
    coded: codesOf(segment, first, rows),
    widened: matrix.narrow === null ? null : widenings(matrix.narrow),
    rows,
    width,
    transposed,
    method,
    group: group ?? width,
    groups: hasScales(method) ? groupsOf(width, group) : 0,
    twoBit: encoding === "2bit",
    places: placesOf(segment, rows, transposed),
  };
}

function codesOf({ matrix, start }: Segment, first: number, rows: number): JobCodes | null {
  if (matrix.coded === null) return null;
  const { form, scales, biases, width } = matrix.coded.matrix;
  const row = matrix.coded.start + start + first;
  const rowBytes = factorBytes({ form, width });
  const factors = [scales, ...(biases === null ? [] : [biases])].map((floats) => {
    const own = floatsFrom(floats, row, rows, rowBytes);
    return "bytes" in own ? { stored: own.bytes } : { ...own, bytes: rows * rowBytes };
  });
  return { form, factors };
}

/** The 16-bit floats of all 8-bit ones. */
function widenings(type: NarrowFloat): Uint16Array {
  return widenNarrow(
    type,
    Uint8Array.from({ length: 256 }, (_, bits) => bits),
  );
}

function placesOf(
  { matrix, encoding, method, group: inputs }: Segment,
  rows: number,
  transposed: boolean,
): JobPlaces {
  const { type, width } = matrix;
  const element = byteLength(type, 1);
  const outRowBytes = rowBytesOf(encoding, method === "bf16" ? 2 : element, width);
  const group = transposed ? Math.min(GROUP, rows) : 0;
  const turnedBytes = align(width * element) + PADDING;
  const input = align(KERNEL_BYTES);
  const turned = align(input + rows * width * element);
  const out = turned + group * turnedBytes;
  const scales = align(out + rows * outRowBytes);
  const scratch = align(scales + (hasScales(method) ? 4 * rows * groupsOf(width, inputs) : 0));
  // Only f32 rows are sorted.
  const end = scratch + (type === "f32" ? 4 * width : 0) + PADDING;
  return { input, turned, turnedBytes, group, out, outRowBytes, scales, scratch, end };
}

/** Bytes of a packed row: of codes, of blocks, or of elements of `element` bytes. */
function rowBytesOf(encoding: Encoding, element: number, width: number): number {
  if (isTernary(encoding)) return codeRowBytes(encoding, width);
  if (encoding === "plain") return width * element;
  const { elements, bytes } = BLOCK_LAYOUTS[encoding];
  return (width / elements) * bytes;
}

function align(address: number): number {
  return Math.ceil(address / 64) * 64;
}

function tooLittle(given: number, needed: number): TritcError {
  return new TritcError({
    code: "TRITC_E_MEMORY",
    message: "compiling takes more memory than it may have",
    place: "--memory",
    expected: `${Math.ceil(needed / 1e6)}MB or more for this model`,
    found: `${Math.floor(given / 1e6)}MB`,
    remedy: `give --memory ${Math.ceil(needed / 1e6)}MB, or leave the option out`,
    exitCode: 2,
  });
}
