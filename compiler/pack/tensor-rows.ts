import { encodeBlocks } from "../../ir/constant/blocks/encode.js";
import type { ByteReader, Constant, TernaryFitting } from "../../ir/constant/constant.js";
import { convertData, encodeBytes, isBig } from "../../ir/constant/convert.js";
import { readRows } from "../../ir/constant/read.js";
import { wordType } from "../../ir/constant/words.js";
import { isTernary } from "../../ir/format/encoding.js";
import { countOf } from "../../ir/tensor.js";
import { groupsOf } from "../../ir/ternary/groups.js";
import { codeRowBytes, packCodeRow, type TernaryStorage } from "../../ir/ternary/storage.js";
import { ternarizeGroups } from "../../ir/ternary/ternarize.js";
import type { StoredDType, WeightTensor } from "../lower/index.js";
import { requireFinite } from "./finite.js";
import type { PackFloats } from "./float-rows.js";
import { type RowTile, rowTiles } from "./row-tiles.js";

/** Elements that are held at a time: bounds the packer's memory, whatever the size of the model. */
const CHUNK_ELEMENTS = 1 << 22;

/** Scales that were found while packing codes, in order of rows and groups, by the weight they belong to. */
export type KnownScales = WeakMap<Constant, Float32Array>;

/** Bytes of a tensor, in pieces of whole rows; `packFloats` makes the same of rows in a fraction of the time. */
export function* packRows(
  tensor: WeightTensor,
  reader: ByteReader,
  scales: KnownScales,
  packFloats?: PackFloats,
): Generator<Uint8Array, void> {
  const { constant, dtype } = tensor;
  const rows = constant.shape[0] ?? 1;
  const { name, weight, encoding } = tensor;
  const source: RowSource = { reader, scales, tensor: name, firstRow: 0, weight };
  if (isTernary(encoding)) {
    const codes = { ...source, storage: encoding, packFloats };
    for (const leaf of leavesOf(constant, 0, rows)) yield* packCodes(leaf, from(codes, leaf));
  } else if (encoding !== "plain") {
    for (const leaf of leavesOf(constant, 0, rows)) yield* packBlocks(leaf, from(source, leaf));
  } else if (tensor.weight && dtype === wordType(constant)) yield* packWords(constant, source);
  else {
    for (const [start, end] of chunks(constant, 0, rows)) {
      yield packPlain(constant, start, end, dtype, source);
    }
  }
}

/** Rows [start, end) of a constant that is no part and no join of others. */
interface Leaf {
  readonly constant: Constant;
  readonly start: number;
  readonly end: number;
  /** Which row of the whole its first one is. */
  readonly firstRow: number;
}

/** What rows [start, end) of a constant are rows of, in order. */
function* leavesOf(constant: Constant, start: number, end: number, firstRow = 0): Generator<Leaf> {
  const recipe = constant.source;
  switch (recipe.kind) {
    case "concat": {
      let first = 0;
      for (const of of recipe.of) {
        const last = first + (of.shape[0] ?? 0);
        const [begin, stop] = [Math.max(start, first), Math.min(end, last)];
        if (begin < stop) yield* leavesOf(of, begin - first, stop - first, firstRow + first);
        first = last;
      }
      return;
    }
    case "rows":
      yield* leavesOf(recipe.of, recipe.start + start, recipe.start + end, firstRow - recipe.start);
      return;
    default:
      yield { constant, start, end, firstRow };
  }
}

/** A source with the place of a leaf's rows. */
function from<S extends RowSource>(source: S, { firstRow }: Leaf): S {
  return { ...source, firstRow: source.firstRow + firstRow };
}

/** Row ranges of at most CHUNK_ELEMENTS elements. */
function* chunks(constant: Constant, start: number, end: number): Generator<readonly [number, number]> {
  const width = countOf(constant.shape.slice(1));
  const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / Math.max(1, width)));
  for (let first = start; first < end; first += step) yield [first, Math.min(end, first + step)];
}

interface RowSource {
  readonly reader: ByteReader;
  readonly scales: KnownScales;
  /** For messages: the tensor, and which of its rows the constant's first one is. */
  readonly tensor: string;
  readonly firstRow: number;
  /** Whether it is the matrix of a linear. */
  readonly weight: boolean;
}

interface CodeSource extends RowSource {
  readonly storage: TernaryStorage;
  readonly packFloats: PackFloats | undefined;
}

/**
 * Codes of a leaf's rows, packed. A weight is ternarized here rather than read as codes, so that it is read
 * once for its codes, its scales and the check that every entry is finite.
 */
function* packCodes({ constant, start, end }: Leaf, source: CodeSource): Generator<Uint8Array, void> {
  const recipe = constant.source;
  if (recipe.kind === "ternary-codes") {
    yield* ternarize(recipe.of, recipe, start, end, source);
    return;
  }
  for (const [first, last] of chunks(constant, start, end)) {
    const { data } = readRows(constant, first, last, source.reader);
    const codes = data instanceof Int8Array ? data : Int8Array.from(data, Number);
    yield packMatrix(codes, countOf(constant.shape.slice(1)), source.storage);
  }
}

/** Packed codes of rows [start, end) of a weight; its scales are noted for later. */
function* ternarize(
  weight: Constant,
  fitting: TernaryFitting,
  start: number,
  end: number,
  source: CodeSource,
): Generator<Uint8Array, void> {
  const { method, group: size } = fitting;
  const width = countOf(weight.shape.slice(1));
  const rowBytes = codeRowBytes(source.storage, width);
  const group = size ?? null;
  const groups = groupsOf(width, group);
  const known =
    source.scales.get(weight) ?? new Float32Array((weight.shape[0] ?? 0) * groups).fill(Number.NaN);
  source.scales.set(weight, known);
  const codes = new Int8Array(width);
  for (const tile of rowTiles(weight, start, end, source.reader)) {
    if (tile.values !== undefined && source.packFloats !== undefined) {
      const packed = source.packFloats(tile.values, width, fitting, source.storage);
      if (packed === undefined) requireFinite(tile.values, width, source, tile.start);
      else {
        known.set(packed.scales, tile.start * groups);
        yield packed.bytes;
        continue;
      }
    }
    const out = new Uint8Array((tile.end - tile.start) * rowBytes);
    for (let row = tile.start; row < tile.end; row++) {
      const values = tile.row(row);
      requireFinite(values, width, source, row);
      ternarizeGroups(values, method, group, codes, known.subarray(row * groups, (row + 1) * groups));
      const at = (row - tile.start) * rowBytes;
      packCodeRow(source.storage, codes, out.subarray(at, at + rowBytes));
    }
    yield out;
  }
}

function packMatrix(codes: Int8Array, width: number, storage: TernaryStorage): Uint8Array {
  const rowBytes = codeRowBytes(storage, width);
  const rows = width === 0 ? 0 : codes.length / width;
  const out = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++) {
    packCodeRow(
      storage,
      codes.subarray(row * width, (row + 1) * width),
      out.subarray(row * rowBytes, (row + 1) * rowBytes),
    );
  }
  return out;
}

/** A leaf's rows of blocks: of floats, which must be finite, or of bytes that are blocks already. */
function* packBlocks({ constant, start, end }: Leaf, source: RowSource): Generator<Uint8Array, void> {
  const recipe = constant.source;
  if (recipe.kind === "to-blocks") {
    const width = countOf(recipe.of.shape.slice(1));
    for (const tile of rowTiles(recipe.of, start, end, source.reader)) {
      const values = tile.values ?? decodedWords(tile, width);
      requireFinite(values, width, source, tile.start);
      yield encodeBlocks(recipe.format, values);
    }
    return;
  }
  for (const [first, last] of chunks(constant, start, end)) {
    const { data } = readRows(constant, first, last, source.reader);
    if (isBig(data)) throw new Error(`${source.tensor} is no rows of bytes`);
    yield Uint8Array.from(data);
  }
}

function decodedWords(tile: RowTile, width: number): Float32Array {
  const values = new Float32Array((tile.end - tile.start) * width);
  for (let row = tile.start; row < tile.end; row++) values.set(tile.row(row), (row - tile.start) * width);
  return values;
}

/** A matrix that is stored as the file has it. */
function* packWords(constant: Constant, source: RowSource): Generator<Uint8Array, void> {
  const rows = constant.shape[0] ?? 1;
  const width = countOf(constant.shape.slice(1));
  for (const { start, words, row, end } of rowTiles(constant, 0, rows, source.reader)) {
    if (words === undefined) throw new Error(`${source.tensor} is not stored in 16-bit floats`);
    for (let r = start; r < end; r++) {
      const values = row(r);
      requireFinite(values, width, source, r);
    }
    yield encodeBytes("u16", words);
  }
}

function packPlain(
  constant: Constant,
  start: number,
  end: number,
  dtype: StoredDType,
  source: RowSource,
): Uint8Array {
  const data =
    scaleRows(constant, start, end, source.scales) ?? readRows(constant, start, end, source.reader).data;
  const stored =
    dtype === "f32" || dtype === "f16" || dtype === "bf16" ? data : convertData(data, constant.dtype, dtype);
  // Masks hold infinities; matrices of linears and vectors (biases, scales) must not.
  const mask = !source.weight && constant.shape.length !== 1;
  if (!isBig(stored)) requireFinite(stored, countOf(constant.shape.slice(1)), source, start, mask);
  return encodeBytes(dtype, stored);
}

/** Scales that packing the codes has found already. */
function scaleRows(
  constant: Constant,
  start: number,
  end: number,
  scales: KnownScales,
): Float32Array | undefined {
  const recipe = constant.source;
  const perRow = countOf(constant.shape.slice(1));
  switch (recipe.kind) {
    case "ternary-scales": {
      const known = scales.get(recipe.of)?.subarray(start * perRow, end * perRow);
      return known?.some(Number.isNaN) === false ? known : undefined;
    }
    case "rows":
      return scaleRows(recipe.of, recipe.start + start, recipe.start + end, scales);
    case "concat": {
      const out = new Float32Array((end - start) * perRow);
      let first = 0;
      for (const of of recipe.of) {
        const last = first + (of.shape[0] ?? 0);
        const [from, to] = [Math.max(start, first), Math.min(end, last)];
        if (from < to) {
          const part = scaleRows(of, from - first, to - first, scales);
          if (part === undefined) return undefined;
          out.set(part, (from - start) * perRow);
        }
        first = last;
      }
      return out;
    }
    default:
      return undefined;
  }
}
