import { type FileHandle, open, rename } from "node:fs/promises";
import { encodeBytes } from "../../ir/constant/convert.js";
import { encodeHalf } from "../../ir/constant/float16.js";
import { countOf } from "../../ir/tensor.js";
import { type GroupSize, groupRanges } from "../../ir/ternary/groups.js";
import { uniform } from "../../test/support/random.js";

/** A tensor of random weights. */
export interface RandomTensor {
  readonly name: string;
  readonly dtype: "bf16" | "f16";
  readonly shape: readonly number[];
  /** Standard deviation and mean of its elements. */
  readonly scale: number;
  readonly center: number;
  /** Inputs of a row that hold {-s, 0, s}, with s in f16; null where they are any numbers. */
  readonly group: GroupSize | null;
}

/** One whose bytes lie in a file. */
export interface PlacedTensor extends RandomTensor {
  /** Bytes from the file's start. */
  readonly offset: number;
  readonly bytes: number;
}

/** Elements of the pools that rows are cut from. */
const POOL = 1 << 20;
/** One row in so many is an outlier, and this much larger. */
const OUTLIER_EVERY = 512;
const OUTLIER = 8;
/** Bytes made at a time. */
const CHUNK = 1 << 24;
/** Scales of groups that a ternary tensor has. */
const SCALES = 1024;

/** Writes a file that has its name only once it is whole. */
export async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const part = `${path}.part`;
  const file = await open(part, "w");
  try {
    await write(file);
  } finally {
    await file.close();
  }
  await rename(part, path);
}

/** Tensors behind each other. */
export function placedFrom(start: number, tensors: readonly RandomTensor[]) {
  let end = start;
  const placed = tensors.map((tensor): PlacedTensor => {
    const offset = end;
    const bytes = 2 * countOf(tensor.shape);
    end += bytes;
    return { ...tensor, offset, bytes };
  });
  return { placed, end };
}

/** Writes random weights to their places. */
export async function writeSyntheticWeights(
  file: FileHandle,
  tensors: readonly PlacedTensor[],
  seed: number,
  onProgress: (bytes: number) => void,
): Promise<void> {
  for (const { tensor, at, bytes } of syntheticRows(tensors, seed)) {
    await file.write(bytes, 0, bytes.length, tensor.offset + at);
    onProgress(bytes.length);
  }
}

/** Rows of a tensor, from byte `at` of it on; valid until the next ones are made. */
interface Rows<T> {
  readonly tensor: T;
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * Random weights with the statistics of trained ones: every matrix its own scale, tails heavier than a normal
 * distribution's (Student's t with 5 degrees of freedom), a few rows many times larger than the others. Ternary ones have a
 * third of zeros. Rows start at random places of one pool of random numbers, so that the speed is that of copying.
 */
export function* syntheticRows<T extends RandomTensor>(
  tensors: readonly T[],
  seed: number,
): Generator<Rows<T>, void> {
  const next = uniform(seed);
  const unit = studentPool(next);
  const signs = Uint16Array.of(0, 0x7fff, 0xffff);
  const masks = new Uint16Array(tensors.some(({ group }) => group !== null) ? POOL : 0);
  for (let i = 0; i < masks.length; i++) masks[i] = signs[Math.floor(3 * next())] ?? 0;
  const chunk = Buffer.alloc(CHUNK);
  for (const tensor of tensors) {
    // Trained layers differ in scale by a factor of a few.
    const scale = tensor.scale * 2 ** (2 * next() - 1);
    const length = 2 * countOf(tensor.shape);
    const rowBytes = 2 * (tensor.shape.at(-1) ?? 1);
    const write =
      tensor.group === null
        ? denseRows(tensor, scale, unit, next)
        : ternaryRows(tensor.group, scale, rowBytes / 2, masks, next);
    for (let at = 0; at < length; ) {
      const end = Math.min(length, at + Math.max(1, Math.floor(CHUNK / rowBytes)) * rowBytes);
      for (let row = at; row < end; row += rowBytes) write(chunk, row - at);
      yield { tensor, at, bytes: chunk.subarray(0, end - at) };
      at = end;
    }
  }
}

type WriteRow = (chunk: Buffer, at: number) => void;

function denseRows(
  { shape, dtype, center }: RandomTensor,
  scale: number,
  unit: Float32Array,
  next: () => number,
): WriteRow {
  const rowBytes = 2 * (shape.at(-1) ?? 1);
  // A small tensor needs no more of the pool than four times itself.
  const numbers = unit.subarray(0, 4 * countOf(shape));
  const pool = (factor: number) =>
    Buffer.from(
      encodeBytes(
        dtype,
        numbers.map((x) => center + factor * x),
      ),
    );
  const usual = pool(scale);
  const large = shape.length > 1 ? pool(OUTLIER * scale) : usual;
  return (chunk, at) => {
    const source = next() < 1 / OUTLIER_EVERY ? large : usual;
    const start = 2 * Math.floor(next() * (numbers.length - rowBytes / 2));
    source.copy(chunk, at, start, start + rowBytes);
  };
}

/** Signs come from a pool of masks, which leave of a scale all, all with the other sign, or nothing. */
function ternaryRows(
  group: GroupSize,
  scale: number,
  width: number,
  masks: Uint16Array,
  next: () => number,
): WriteRow {
  const scales = encodeHalf(Float32Array.from({ length: SCALES }, (_, i) => scale * 2 ** (i / SCALES)));
  return (chunk, at) => {
    const row = new Uint16Array(chunk.buffer, chunk.byteOffset + at, width);
    const from = Math.floor(next() * (POOL - width));
    for (const [start, end] of groupRanges(width, group)) {
      const negative = (scales[Math.floor(next() * SCALES)] ?? 0) | 0x8000;
      for (let i = start; i < end; i++) row[i] = (masks[from + i] ?? 0) & negative;
    }
  };
}

/** Student's t with 5 degrees of freedom, scaled to variance 1: a normal over the root of a chi-square. */
function studentPool(next: () => number): Float32Array {
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const degrees = 5;
  const toUnit = Math.sqrt((degrees - 2) / degrees);
  return Float32Array.from({ length: POOL }, () => {
    let chi = 0;
    for (let i = 0; i < degrees; i++) chi += normal() ** 2;
    return (normal() / Math.sqrt(chi / degrees)) * toUnit;
  });
}
