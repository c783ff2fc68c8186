import { countOf } from "../tensor.js";
import { isStored, storedBytes } from "./bytes.js";
import type { ByteReader, Constant } from "./constant.js";
import { isNarrowFloat, widenNarrow } from "./float8.js";
import { decodeBfloat, decodeHalf } from "./float16.js";
import { swapElements } from "./swap.js";

/** The 16-bit floats. */
export type WordType = "f16" | "bf16";

/** Source rows that a transpose holds at a time: 64 bytes of each output row. */
const TILE_ROWS = 32;
/** Keeps the rows of a tile in different sets of the cache where the width is a multiple of a power of two. */
const TILE_PADDING = 32;

/**
 * The 16-bit float type that holds all values of a constant as they are stored (8-bit floats in f16), behind casts that
 * keep their values and changes of layout: `readWords` reads such constants without making floats of them.
 */
export function wordType(constant: Constant): WordType | undefined {
  return typeBehind(constant, () => undefined);
}

/** The same of values that are not stored so but are decoded from packed rows. */
export function halfType(constant: Constant): WordType | undefined {
  return typeBehind(constant, ({ dtype, source: { kind } }) => {
    const isPacked = kind === "blocks" || kind === "affine";
    return isPacked && (dtype === "f16" || dtype === "bf16") ? dtype : undefined;
  });
}

function typeBehind(
  constant: Constant,
  typeOf: (source: Constant) => WordType | undefined,
): WordType | undefined {
  const { dtype, source } = constant;
  if (isStored(constant)) {
    if (isNarrowFloat(dtype)) return "f16";
    return dtype === "f16" || dtype === "bf16" ? dtype : undefined;
  }
  switch (source.kind) {
    case "cast": {
      const type = typeBehind(source.of, typeOf);
      return dtype === "f32" || dtype === type ? type : undefined;
    }
    case "reshape":
    case "transpose":
    case "swap":
    case "rows":
      return typeBehind(source.of, typeOf);
    case "concat": {
      const types = new Set(source.of.map((of) => typeBehind(of, typeOf)));
      return types.size === 1 ? [...types][0] : undefined;
    }
    default:
      return typeOf(constant);
  }
}

/**
 * Bits of elements `from` to `to`, in row-major order, of a constant that has a `wordType`. May share memory with
 * the constant's bytes: don't write to it.
 */
export function readWords(constant: Constant, from: number, to: number, reader: ByteReader): Uint16Array {
  const { source } = constant;
  switch (source.kind) {
    case "inline":
    case "file": {
      const bytes = storedBytes(constant, from, to, reader);
      if (isNarrowFloat(constant.dtype)) return widenNarrow(constant.dtype, bytes);
      // Not `slice`: a Node Buffer shares its memory with its slices.
      const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
      return new Uint16Array(aligned.buffer, aligned.byteOffset, to - from);
    }
    case "cast":
    case "reshape":
      return readWords(source.of, from, to, reader);
    case "rows": {
      const offset = source.start * countOf(source.of.shape.slice(1));
      return readWords(source.of, from + offset, to + offset, reader);
    }
    case "concat": {
      const out = new Uint16Array(to - from);
      let offset = 0;
      for (const part of source.of) {
        const count = countOf(part.shape);
        const begin = Math.max(from, offset);
        const end = Math.min(to, offset + count);
        if (begin < end) out.set(readWords(part, begin - offset, end - offset, reader), begin - from);
        offset += count;
      }
      return out;
    }
    case "transpose":
      return transposed(source.of, from, to, reader);
    case "swap": {
      const read = (first: number, last: number) => readWords(source.of, first, last, reader);
      return swapElements(source.of.shape, from, to, read, new Uint16Array(to - from));
    }
    default:
      throw new Error(`a ${source.kind} constant is not stored in 16-bit floats`);
  }
}

/** The values of 16-bit floats, into `out` if given. */
export function decodeWords(type: WordType, words: Uint16Array, out?: Float32Array): Float32Array {
  return type === "f16" ? decodeHalf(words, out) : decodeBfloat(words, out);
}

/** Elements `from` to `to` of the transpose of `of`. Its row r is source column r. */
function transposed(of: Constant, from: number, to: number, reader: ByteReader): Uint16Array {
  const [rows = 1, columns = 1] = of.shape;
  const out = new Uint16Array(to - from);
  if (to === from) return out;
  const left = Math.floor(from / rows);
  const width = Math.ceil(to / rows) - left;
  const stride = width + TILE_PADDING;
  const tile = new Uint16Array(Math.min(rows, TILE_ROWS) * stride);
  for (let row = 0; row < rows; row += TILE_ROWS) {
    const height = Math.min(TILE_ROWS, rows - row);
    if (width === columns) {
      const words = readWords(of, row * columns, (row + height) * columns, reader);
      for (let y = 0; y < height; y++) tile.set(words.subarray(y * width, (y + 1) * width), y * stride);
    } else {
      for (let y = 0; y < height; y++) {
        const begin = (row + y) * columns + left;
        tile.set(readWords(of, begin, begin + width, reader), y * stride);
      }
    }
    const base = left * rows + row - from;
    for (let x = 0; x < width; x++) {
      const first = base + x * rows;
      const end = Math.min(height, out.length - first);
      // What falls outside of `out` was not asked for.
      for (let y = Math.max(0, -first); y < end; y++) out[first + y] = tile[y * stride + x]!;
    }
  }
  return out;
}
