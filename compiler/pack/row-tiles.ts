import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { isBig } from "../../ir/constant/convert.js";
import { readRows } from "../../ir/constant/read.js";
import { decodeWords, readWords, type WordType, wordType } from "../../ir/constant/words.js";
import { countOf } from "../../ir/tensor.js";

/** Elements of a tile: few enough for the cache. */
const TILE_ELEMENTS = 1 << 20;
/** Bytes of a tile of a transposed constant: the wider its columns, the fewer and longer the reads of the file. */
const TRANSPOSED_TILE_BYTES = 1 << 25;

/** Rows `start` to `end` of a constant that are in memory together. */
export interface RowTile {
  readonly start: number;
  readonly end: number;
  /** Their bits, where the constant is stored in 16-bit floats. */
  readonly words: Uint16Array | undefined;
  /** Their values, elsewhere. */
  readonly values: Float32Array | undefined;
  /** Values of a row of the constant, valid until the next call. */
  row(index: number): Float32Array;
}

/** Rows `start` to `end` of a float constant as f32, in tiles of bounded memory. */
export function* rowTiles(
  constant: Constant,
  start: number,
  end: number,
  reader: ByteReader,
): Generator<RowTile, void> {
  const width = countOf(constant.shape.slice(1));
  const type = wordType(constant);
  const most = isTransposed(constant)
    ? TRANSPOSED_TILE_BYTES / (type === undefined ? Float32Array : Uint16Array).BYTES_PER_ELEMENT
    : TILE_ELEMENTS;
  const tiles = Math.ceil(((end - start) * width) / most);
  const step = Math.max(1, Math.ceil((end - start) / Math.max(1, tiles)));
  for (let first = start; first < end; first += step) {
    const last = Math.min(end, first + step);
    yield type === undefined
      ? floatTile(constant, first, last, reader)
      : wordTile(constant, type, first, last, reader);
  }
}

function wordTile(
  constant: Constant,
  type: WordType,
  start: number,
  end: number,
  reader: ByteReader,
): RowTile {
  const width = countOf(constant.shape.slice(1));
  const words = readWords(constant, start * width, end * width, reader);
  const decoded = new Float32Array(width);
  const row = (index: number) => {
    const at = (index - start) * width;
    return decodeWords(type, words.subarray(at, at + width), decoded);
  };
  return { start, end, words, values: undefined, row };
}

function floatTile(constant: Constant, start: number, end: number, reader: ByteReader): RowTile {
  const width = countOf(constant.shape.slice(1));
  const { data } = readRows(constant, start, end, reader);
  const numbers = isBig(data) ? Float64Array.from(data, Number) : data;
  const floats = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
  const values = floats.subarray(0, (end - start) * width);
  const row = (index: number) => values.subarray((index - start) * width, (index - start + 1) * width);
  return { start, end, words: undefined, values, row };
}

/** Whether rows of a constant are columns of what is stored. */
function isTransposed({ source }: Constant): boolean {
  switch (source.kind) {
    case "transpose":
      return true;
    case "cast":
    case "reshape":
    case "rows":
    case "low-rank":
    case "sum":
    case "renormalize":
    case "rotate":
      return isTransposed(source.of);
    case "concat":
      return source.of.some(isTransposed);
    default:
      return false;
  }
}
