import type { ByteReader, Constant, TernaryFitting } from "../../ir/constant/constant.js";
import { encodeBytes, isBig, type NumberData } from "../../ir/constant/convert.js";
import { roundToBfloat, roundToHalf } from "../../ir/constant/float16.js";
import { readRows } from "../../ir/constant/read.js";
import { readWords, wordType } from "../../ir/constant/words.js";
import type { DType } from "../../ir/dtype.js";
import { TritcError } from "../../ir/errors.js";
import { countOf } from "../../ir/tensor.js";
import { type GroupSize, groupRanges, groupSizeOf, groupsOf } from "../../ir/ternary/groups.js";
import { ternarizeGroups } from "../../ir/ternary/ternarize.js";
import type { WeightForm, WeightType } from "./format.js";

/** Elements held at a time: bounds the memory, and keeps the reads of transposed weights long. */
const TILE_ELEMENTS = 1 << 21;
/** Tiles hold a multiple of this many rows, so that 2-bit rows of any width end on a byte. */
const ROW_STEP = 4;

/** Row ranges of at most about TILE_ELEMENTS elements. */
function* tilesOf(rows: number, width: number): Generator<readonly [number, number]> {
  const step = Math.max(ROW_STEP, Math.floor(TILE_ELEMENTS / Math.max(1, width) / ROW_STEP) * ROW_STEP);
  for (let start = 0; start < rows; start += step) yield [start, Math.min(rows, start + step)];
}

/** The values of a constant, converted to `dtype` without loss by the caller's choice of it. */
export function* constantChunks(constant: Constant, dtype: DType, reader: ByteReader): Generator<Uint8Array> {
  const [rows = 1, ...rest] = constant.shape;
  const width = countOf(rest);
  // Neither to floats nor back where the source has these bits.
  const isStoredSo = wordType(constant) === dtype;
  for (const [start, end] of tilesOf(rows, width)) {
    if (isStoredSo) {
      const words = readWords(constant, start * width, end * width, reader);
      yield new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    } else yield encodeBytes(dtype, readRows(constant, start, end, reader).data);
  }
}

/** A ternary weight: codes i8 [out, in] and scales [out], or [out, groups]. */
export interface TernaryWeight {
  /** For messages. */
  readonly name: string;
  readonly codes: Constant;
  readonly scales: Constant;
}

/** Inputs that share a scale; null: a row's all. */
export function weightGroup({ codes, scales }: TernaryWeight): GroupSize | null {
  return groupSizeOf(countOf(codes.shape.slice(1)), scales.shape) ?? null;
}

/** Streams ternary weights; remembers the scales that were found on the way to the codes. */
export class TernaryBytes {
  readonly #scales = new WeakMap<Constant, Float32Array>();

  constructor(readonly reader: ByteReader) {}

  /** scale·code in a float type, row by row. Throws TRITC_E_EXPORT_OVERFLOW where a scale is out of its range. */
  *dequantized(weight: TernaryWeight, type: WeightType): Generator<Uint8Array> {
    const width = countOf(weight.codes.shape.slice(1));
    const ranges = [...groupRanges(width, weightGroup(weight))];
    for (const { start, codes, scales } of this.#tiles(weight)) {
      const words = type === "f32" ? new Uint32Array(codes.length) : new Uint16Array(codes.length);
      for (let s = 0; s < scales.length; s++) {
        const row = Math.floor(s / ranges.length);
        const [first, last] = ranges[s % ranges.length]!;
        const scale = roundedScale(scales[s]!, type, weight.name, start + row);
        const [minus = 0, plus = 0] = bitsOf(type, [-scale, scale]);
        for (let i = row * width + first; i < row * width + last; i++) {
          const code = codes[i]!;
          words[i] = code === 0 ? 0 : code > 0 ? plus : minus;
        }
      }
      yield new Uint8Array(words.buffer);
    }
  }

  /** The codes as 2- or 4-bit integers, packed without gaps, low bits first. */
  *codes(weight: TernaryWeight, form: Exclude<WeightForm, "dequantized">): Generator<Uint8Array> {
    const found = new Float32Array(countOf(weight.scales.shape));
    const perRow = countOf(weight.scales.shape.slice(1));
    for (const { start, codes, scales } of this.#tiles(weight)) {
      found.set(scales, start * perRow);
      yield packCodes(codes, form === "2bit" ? 2 : 4);
    }
    this.#scales.set(weight.codes, found);
  }

  /** The scales as f32: known already if the codes were written before. */
  *scales(weight: TernaryWeight): Generator<Uint8Array> {
    const known = this.#scales.get(weight.codes);
    if (known === undefined) yield* constantChunks(weight.scales, "f32", this.reader);
    else yield encodeBytes("f32", known);
  }

  /** Codes and scales in tiles of rows. A float weight is read and ternarized once for both. */
  *#tiles({ name, codes, scales }: TernaryWeight): Generator<Tile> {
    const [rows = 0, ...rest] = codes.shape;
    const width = countOf(rest);
    const recipe = codes.source;
    const once =
      recipe.kind === "ternary-codes" &&
      scales.source.kind === "ternary-scales" &&
      scales.source.of === recipe.of;
    for (const [start, end] of tilesOf(rows, width)) {
      if (once)
        yield ternarizeTile(readFloats(recipe.of, start, end, this.reader), width, recipe, start, name);
      else {
        const { data } = readRows(codes, start, end, this.reader);
        if (!(data instanceof Int8Array)) throw new Error(`${name}: codes are i8`);
        yield { start, codes: data, scales: readFloats(scales, start, end, this.reader) };
      }
    }
  }
}

/** The words of floats. */
function bitsOf(type: WeightType, values: readonly number[]): Uint16Array | Uint32Array {
  const bytes = new Uint8Array(encodeBytes(type, Float32Array.from(values)));
  return type === "f32" ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
}

/** Two's complement of 2 or 4 bits, low bits first. */
function packCodes(codes: Int8Array, bits: 2 | 4): Uint8Array {
  const [shift, mask] = bits === 2 ? [2, 3] : [1, 15];
  const last = (1 << shift) - 1;
  const out = new Uint8Array((codes.length + last) >> shift);
  for (let i = 0; i < codes.length; i++) {
    const at = i >> shift;
    out[at] = out[at]! | ((codes[i]! & mask) << ((i & last) * bits));
  }
  return out;
}

interface Tile {
  readonly start: number;
  readonly codes: Int8Array;
  readonly scales: Float32Array;
}

function readFloats(constant: Constant, start: number, end: number, reader: ByteReader): Float32Array {
  const { data } = readRows(constant, start, end, reader);
  if (data instanceof Float32Array) return data;
  const numbers: NumberData = isBig(data) ? Float64Array.from(data, Number) : data;
  return Float32Array.from(numbers);
}

function ternarizeTile(
  values: Float32Array,
  width: number,
  { method, group }: TernaryFitting,
  start: number,
  name: string,
): Tile {
  const rows = values.length / Math.max(1, width);
  const codes = new Int8Array(values.length);
  const groups = groupsOf(width, group ?? null);
  const scales = new Float32Array(rows * groups);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * width, (r + 1) * width);
    for (let i = 0; i < width; i++) {
      if (!Number.isFinite(row[i])) throw notFinite(name, row[i], start + r, i);
    }
    const found = scales.subarray(r * groups, (r + 1) * groups);
    ternarizeGroups(row, method, group ?? null, codes.subarray(r * width, (r + 1) * width), found);
  }
  return { start, codes, scales };
}

function roundedScale(scale: number, type: WeightType, name: string, row: number): number {
  if (type === "f32") return scale;
  const rounded = type === "f16" ? roundToHalf(scale) : roundToBfloat(scale);
  // A scale that becomes 0 loses its row as one that becomes infinite does.
  if (Number.isFinite(rounded) && (rounded !== 0 || scale === 0)) return rounded;
  throw new TritcError({
    code: "TRITC_E_EXPORT_OVERFLOW",
    message: `a weight is out of the range of ${type}`,
    place: name,
    expected: type === "f16" ? "magnitudes from 6e-8 to 65504" : "magnitudes up to 3.39e38",
    found: `a scale of ${scale} in row ${row}`,
    remedy: "export with --type bf16 or --type f32, or as codes with --weights 2bit",
  });
}

function notFinite(name: string, value: number | undefined, row: number, column: number): TritcError {
  return new TritcError({
    code: "TRITC_E_WEIGHT_NOT_FINITE",
    message: "a weight is not a finite number",
    place: name,
    expected: "finite weights",
    found: `${value} in row ${row}, column ${column}`,
    remedy: "the export is damaged, or overflowed in float16: export the model again in bfloat16 or float32",
  });
}
