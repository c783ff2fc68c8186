import { type Bindings, evaluateDim } from "../dim.js";
import { DTYPE_BITS, type DType } from "../dtype.js";
import { allocate, countOf, type Tensor, type TensorData } from "../tensor.js";
import { groupsOf } from "../ternary/groups.js";
import { codeRowBytes, type TernaryStorage, unpackCodeRow } from "../ternary/storage.js";
import { ternarizeGroups } from "../ternary/ternarize.js";
import {
  kroneckerElements,
  productElements,
  renormalizedElements,
  rotatedElements,
  sumElements,
} from "./adapted.js";
import { affineElements } from "./affine.js";
import { encodeBlocks } from "./blocks/encode.js";
import { BLOCK_LAYOUTS, blockElements } from "./blocks/index.js";
import { storedBytes } from "./bytes.js";
import type { ByteReader, Constant, TernaryFitting } from "./constant.js";
import { convertData, decodeBytes, isBig, type NumberData } from "./convert.js";
import { dequantize } from "./dequantize.js";
import { addLowRank } from "./low-rank.js";
import { swapElements } from "./swap.js";
import { decodeWords, readWords, wordType } from "./words.js";

const NO_BINDINGS: Bindings = {};

/** Source rows that a transpose holds at a time: 64 bytes of each output row. */
const TILE_ROWS = 16;
/** Weight elements that a ternarization holds at a time. */
const TILE_ELEMENTS = 1 << 20;

/** All values of a constant. */
export function readConstant(
  constant: Constant,
  reader: ByteReader,
  bindings: Bindings = NO_BINDINGS,
): Tensor {
  return constantReader(reader, bindings)(constant);
}

/** Reads whole constants, one after the other: the scales found on the way to ternary codes are not found again. */
export function constantReader(reader: ByteReader, bindings: Bindings): (constant: Constant) => Tensor {
  const scales: KnownScales = new WeakMap();
  return (constant) => {
    const evaluation = new Evaluation(reader, bindings, scales);
    const data = evaluation.elements(constant, 0, countOf(constant.shape));
    return { dtype: constant.dtype, shape: constant.shape, data };
  };
}

/**
 * Rows `start` (inclusive) to `end` (exclusive) of a constant: shape [end − start, ...rest]; a scalar has one
 * row and keeps its shape. Reads only what those rows need. Data may share memory with the constant's bytes:
 * don't write to it.
 */
export function readRows(
  constant: Constant,
  start: number,
  end: number,
  reader: ByteReader,
  bindings: Bindings = NO_BINDINGS,
): Tensor {
  const rows = constant.shape[0] ?? 1;
  if (!(start >= 0 && start <= end && end <= rows)) {
    throw new RangeError(`rows ${start} to ${end} of a constant of ${rows} rows`);
  }
  const rest = constant.shape.slice(1);
  const width = countOf(rest);
  const data = new Evaluation(reader, bindings).elements(constant, start * width, end * width);
  return { dtype: constant.dtype, shape: constant.shape.length === 0 ? [] : [end - start, ...rest], data };
}

/** Scales of the weights of which all codes were read. */
type KnownScales = WeakMap<Constant, TernaryFitting & { readonly scales: Float32Array }>;

/** Evaluates recipes by flat element ranges, which makes reshapes and row selections free. */
class Evaluation {
  /** All scales, or zero points, of quantized weights: each range of rows needs them. */
  private readonly factors = new Map<Constant, NumberData>();

  constructor(
    private readonly reader: ByteReader,
    private readonly bindings: Bindings,
    private readonly scales: KnownScales = new WeakMap(),
  ) {}

  /** Elements `from` to `to` of the row-major order. */
  elements(constant: Constant, from: number, to: number): TensorData {
    const { source, dtype } = constant;
    const count = to - from;
    switch (source.kind) {
      case "inline":
      case "file":
        return this.stored(constant, from, to);
      case "dims": {
        const out = new BigInt64Array(count);
        for (let i = 0; i < count; i++) {
          out[i] = BigInt(evaluateDim(source.dims[from + i] ?? 0, this.bindings));
        }
        return out;
      }
      case "fill": {
        const out = allocate(dtype, count);
        if (isBig(out)) out.fill(BigInt(source.value));
        else out.fill(source.value);
        return out;
      }
      case "reshape":
        return this.elements(source.of, from, to);
      case "cast": {
        const data = this.elements(source.of, from, to);
        // Both are kept as f32.
        if (dtype === "f32" && data instanceof Float32Array) return data;
        return convertData(data, source.of.dtype, dtype);
      }
      case "transpose":
        return this.transposed(constant, source.of, from, to);
      case "swap": {
        const read = (first: number, last: number) => this.elements(source.of, first, last);
        return swapElements(source.of.shape, from, to, read, allocate(dtype, count));
      }
      case "concat":
        return this.concatenated(constant, source.of, from, to);
      case "rows": {
        const offset = source.start * countOf(source.of.shape.slice(1));
        return this.elements(source.of, from + offset, to + offset);
      }
      case "dequantize":
        return this.dequantized(constant, from, to);
      case "blocks":
        return blockElements(source.format, from, to, (first, last) => this.bytes(source.of, first, last));
      case "to-blocks":
        return this.encoded(constant, from, to);
      case "affine":
        return affineElements(constant, source, from, to, this.numbers);
      case "low-rank":
        return this.updated(constant, from, to);
      case "sum":
        return rounded(dtype, sumElements(source, from, to, this.numbers));
      case "product":
        return rounded(dtype, productElements(source, from, to, this.numbers));
      case "kronecker":
        return rounded(dtype, kroneckerElements(source, from, to, this.numbers));
      case "renormalize":
        return rounded(dtype, renormalizedElements(source, from, to, this.numbers));
      case "rotate":
        return rounded(dtype, rotatedElements(source, from, to, this.numbers));
      case "ternary-codes":
      case "ternary-scales":
        return this.ternarized(constant, from, to);
      case "trits":
        return this.unpacked(constant, source.of, "trits", from, to);
      case "two-bit":
        return this.unpacked(constant, source.of, "2bit", from, to);
    }
  }

  private readonly numbers = (of: Constant, from: number, to: number): NumberData =>
    numbers(this.elements(of, from, to));

  private bytes(of: Constant, from: number, to: number): Uint8Array {
    const data = this.elements(of, from, to);
    if (data instanceof Uint8Array) return data;
    throw new Error("packed rows are bytes");
  }

  private stored(constant: Constant, from: number, to: number): TensorData {
    const bits = DTYPE_BITS[constant.dtype];
    const first = bits < 8 ? from % (8 / bits) : 0;
    return decodeBytes(constant.dtype, storedBytes(constant, from, to, this.reader), to - from, first);
  }

  /** Output row r is source column r: tiles of a few source rows keep both sides in the cache. */
  private transposed(constant: Constant, of: Constant, from: number, to: number): TensorData {
    const [rows = 1, columns = 1] = of.shape;
    if (constant.shape.length !== 2 || of.shape.length !== 2) {
      throw new Error("a transposed constant has two axes");
    }
    const type = wordType(constant);
    if (type !== undefined) return decodeWords(type, readWords(constant, from, to, this.reader));
    const out = allocate(constant.dtype, to - from);
    if (to === from) return out;
    const left = Math.floor(from / rows);
    const width = Math.ceil(to / rows) - left;
    const tile = allocate(constant.dtype, Math.min(rows, TILE_ROWS) * width);
    for (let row = 0; row < rows; row += TILE_ROWS) {
      const height = Math.min(TILE_ROWS, rows - row);
      if (width === columns) {
        copyInto(tile, 0, this.elements(of, row * columns, (row + height) * columns));
      } else {
        for (let y = 0; y < height; y++) {
          const begin = (row + y) * columns + left;
          copyInto(tile, y * width, this.elements(of, begin, begin + width));
        }
      }
      const base = left * rows + row - from;
      if (isBig(tile) && isBig(out)) turnBig(tile, out, height, width, base, rows);
      else if (!isBig(tile) && !isBig(out)) turn(tile, out, height, width, base, rows);
    }
    return out;
  }

  private concatenated(constant: Constant, parts: readonly Constant[], from: number, to: number): TensorData {
    const out = allocate(constant.dtype, to - from);
    let offset = 0;
    for (const part of parts) {
      const count = countOf(part.shape);
      const begin = Math.max(from, offset);
      const end = Math.min(to, offset + count);
      if (begin < end) copyInto(out, begin - from, this.elements(part, begin - offset, end - offset));
      offset += count;
    }
    return out;
  }

  /** (code − zeroPoint)·scale in f32, rounded to the result's dtype. */
  private dequantized(constant: Constant, from: number, to: number): TensorData {
    const { source, dtype, shape } = constant;
    if (source.kind !== "dequantize") throw new Error("not a dequantized constant");
    const codes = numbers(this.elements(source.codes, from, to));
    const scale = this.allOf(source.scale);
    const zeros = source.zeroPoint === null ? null : this.allOf(source.zeroPoint);
    const out = new Float32Array(to - from);
    dequantize(codes, from, scale, zeros, { shape, axis: source.axis, blockSize: source.blockSize }, out);
    return rounded(dtype, out);
  }

  /** Bytes of the blocks that hold them. */
  private encoded(constant: Constant, from: number, to: number): Uint8Array {
    const { source } = constant;
    if (source.kind !== "to-blocks") throw new Error("not an encoded constant");
    const { elements, bytes } = BLOCK_LAYOUTS[source.format];
    const first = Math.floor(from / bytes);
    const values = this.numbers(source.of, first * elements, Math.ceil(to / bytes) * elements);
    const floats = values instanceof Float32Array ? values : Float32Array.from(values);
    return encodeBlocks(source.format, floats).subarray(from - first * bytes, to - first * bytes);
  }

  private allOf(constant: Constant): NumberData {
    const data = this.factors.get(constant) ?? this.numbers(constant, 0, countOf(constant.shape));
    this.factors.set(constant, data);
    return data;
  }

  /** Reads the rows that hold the elements, of `of` and `up`, and all of `down`. */
  private updated(constant: Constant, from: number, to: number): TensorData {
    const { source, dtype } = constant;
    if (source.kind !== "low-rank") throw new Error("not an updated constant");
    const base = numbers(this.elements(source.of, from, to));
    if (from === to) return base;
    const { up, down, scale } = source;
    const [rank = 0, width = 1] = down.shape;
    const firstRow = Math.floor(from / width);
    const factors = {
      up: numbers(this.elements(up, firstRow * rank, Math.ceil(to / width) * rank)),
      down: numbers(this.elements(down, 0, rank * width)),
      rank,
      scale,
    };
    const out = new Float32Array(to - from);
    addLowRank(base, from, width, factors, out);
    return rounded(dtype, out);
  }

  private ternarized(constant: Constant, from: number, to: number): TensorData {
    const { source, dtype } = constant;
    if (source.kind !== "ternary-codes" && source.kind !== "ternary-scales") throw new Error("not ternary");
    const { method, group } = source;
    const width = countOf(source.of.shape.slice(1));
    const groups = groupsOf(width, group ?? null);
    const codesWanted = source.kind === "ternary-codes";
    const known = this.scales.get(source.of);
    if (!codesWanted && known?.method === method && known.group === group)
      return rounded(dtype, known.scales.slice(from, to));
    const perRow = codesWanted ? width : groups;
    const first = Math.floor(from / perRow);
    const last = Math.ceil(to / perRow);
    const codes = new Int8Array(codesWanted ? (last - first) * width : width);
    const scales = new Float32Array((last - first) * groups);
    // A few rows at a time: the float rows are four times the size of the codes.
    const step = Math.max(1, Math.floor(TILE_ELEMENTS / Math.max(1, width)));
    for (let row = first; row < last; row += step) {
      const end = Math.min(last, row + step);
      const values = numbers(this.elements(source.of, row * width, end * width));
      const floats = values instanceof Float32Array ? values : Float32Array.from(values);
      for (let r = row; r < end; r++) {
        const at = codesWanted ? (r - first) * width : 0;
        const line = floats.subarray((r - row) * width, (r - row + 1) * width);
        const found = scales.subarray((r - first) * groups, (r - first + 1) * groups);
        ternarizeGroups(line, method, group ?? null, codes.subarray(at, at + width), found);
      }
    }
    if (codesWanted && last - first === source.of.shape[0])
      this.scales.set(source.of, { method, ...(group === undefined ? {} : { group }), scales });
    if (codesWanted) return codes.subarray(from - first * width, to - first * width);
    return rounded(dtype, scales.subarray(from - first * groups, to - first * groups));
  }

  private unpacked(
    constant: Constant,
    of: Constant,
    storage: TernaryStorage,
    from: number,
    to: number,
  ): TensorData {
    const width = countOf(constant.shape.slice(1));
    const rowBytes = codeRowBytes(storage, width);
    const first = Math.floor(from / width);
    const last = Math.ceil(to / width);
    const codes = new Int8Array((last - first) * width);
    const bytes = this.bytes(of, first * rowBytes, last * rowBytes);
    for (let r = 0; r < last - first; r++) {
      unpackCodeRow(
        storage,
        bytes.subarray(r * rowBytes, (r + 1) * rowBytes),
        codes.subarray(r * width, (r + 1) * width),
      );
    }
    return codes.subarray(from - first * width, to - first * width);
  }
}

/** out[base + x·stride + y] = tile[y, x]; what falls outside of `out` was not asked for. */
function turn(
  tile: NumberData,
  out: NumberData,
  height: number,
  width: number,
  base: number,
  stride: number,
): void {
  for (let x = 0; x < width; x++) {
    const to = base + x * stride;
    const end = Math.min(height, out.length - to);
    for (let y = Math.max(0, -to); y < end; y++) out[to + y] = tile[y * width + x]!;
  }
}

type BigData = BigInt64Array | BigUint64Array;

function turnBig(
  tile: BigData,
  out: BigData,
  height: number,
  width: number,
  base: number,
  stride: number,
): void {
  for (let x = 0; x < width; x++) {
    const to = base + x * stride;
    const end = Math.min(height, out.length - to);
    for (let y = Math.max(0, -to); y < end; y++) out[to + y] = tile[y * width + x]!;
  }
}

function copyInto(out: TensorData, at: number, part: TensorData): void {
  if (isBig(out)) {
    if (isBig(part)) out.set(part, at);
  } else if (!isBig(part)) out.set(part, at);
}

function rounded(dtype: DType, data: Float32Array): TensorData {
  return dtype === "f32" ? data : convertData(data, "f32", dtype);
}

function numbers(data: TensorData): NumberData {
  return isBig(data) ? Float64Array.from(data, Number) : data;
}
