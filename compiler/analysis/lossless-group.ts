import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { roundToBfloat, roundToHalf } from "../../ir/constant/float16.js";
import { readRows } from "../../ir/constant/read.js";
import { wordType } from "../../ir/constant/words.js";
import { GROUP_SIZES, type GroupSize, groupRanges } from "../../ir/ternary/groups.js";
import { rowTiles } from "../pack/row-tiles.js";

/** The form that holds a weight without loss: the largest groups of inputs that each hold {-s, 0, s} alone. */
export interface LosslessGroup {
  /** Null: whole rows. */
  readonly group: GroupSize | null;
  /** The narrowest float type that holds every scale as it is. */
  readonly scales: "f16" | "bf16" | "f32";
}

/**
 * Looks for the first of `sizes`, from rows (null) down, whose groups of a weight are all ternary already; undefined where
 * none is. The first row, which tells almost every other weight, is read by itself; where rows are columns of the file, the
 * first inputs of all of them.
 */
export function losslessGroup(
  weight: Constant,
  reader: ByteReader,
  sizes: readonly (GroupSize | null)[],
): LosslessGroup | undefined {
  const [rows = 0, width = 0] = weight.shape;
  const turned = storedByInputs(weight);
  if (turned !== undefined && !beginsTernary(turned, reader)) return undefined;
  const left = sizes.filter((size) => size === null || size < width);
  const types = new Set<"f16" | "bf16">(["f16", "bf16"]);
  for (const [first, last] of [[0, Math.min(1, rows)] as const, [1, rows] as const]) {
    for (const tile of rowTiles(weight, first, last, reader)) {
      for (let row = tile.start; row < tile.end; row++) {
        const at = (row - tile.start) * width;
        const bits = tile.words?.subarray(at, at + width) ?? bitsOf(tile.row(row));
        const mask = tile.words === undefined ? 0x7fffffff : 0x7fff;
        for (;;) {
          const [group] = left;
          if (group === undefined) return undefined;
          const found = tile.words === undefined ? types : undefined;
          if (isTernary(bits, mask, group, found)) break;
          // Smaller groups divide larger ones: the rows before stay what they are.
          left.shift();
        }
      }
    }
  }
  const [group] = left;
  if (group === undefined) return undefined;
  return { group, scales: wordType(weight) ?? [...types][0] ?? "f32" };
}

/** The matrix [in, out] that a weight is stored as. */
function storedByInputs({ source }: Constant): Constant | undefined {
  if (source.kind === "transpose") return source.of;
  return source.kind === "cast" ? storedByInputs(source.of) : undefined;
}

/** Whether the first inputs of each column, which lie in one group whatever its size, have one magnitude besides 0. */
function beginsTernary(stored: Constant, reader: ByteReader): boolean {
  const [inputs = 0, columns = 0] = stored.shape;
  const { data } = readRows(stored, 0, Math.min(GROUP_SIZES[0], inputs), reader);
  const scales = new Float64Array(columns);
  for (let i = 0; i < data.length; i++) {
    const magnitude = Math.abs(Number(data[i]));
    if (magnitude === 0 || magnitude === scales[i % columns]) continue;
    if (scales[i % columns] !== 0) return false;
    scales[i % columns] = magnitude;
  }
  return true;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

/** Whether each group of a row has one magnitude besides 0. Types of which one is no value are taken from `types`. */
function isTernary(
  bits: Uint16Array | Int32Array,
  mask: number,
  group: GroupSize | null,
  types: Set<"f16" | "bf16"> | undefined,
): boolean {
  for (const [start, end] of groupRanges(bits.length, group)) {
    let scale = 0;
    for (let i = start; i < end; i++) {
      const magnitude = bits[i]! & mask;
      if (magnitude === 0 || magnitude === scale) continue;
      if (scale !== 0) return false;
      scale = magnitude;
    }
    if (types !== undefined && types.size > 0) narrow(types, scale);
  }
  return true;
}

const word = new Int32Array(1);
const float = new Float32Array(word.buffer);

function narrow(types: Set<"f16" | "bf16">, scaleBits: number): void {
  word[0] = scaleBits;
  const scale = float[0]!;
  if (roundToHalf(scale) !== scale) types.delete("f16");
  if (roundToBfloat(scale) !== scale) types.delete("bf16");
}
