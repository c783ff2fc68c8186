import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { roundToBfloat, roundToHalf } from "../../ir/constant/float16.js";
import { readRows } from "../../ir/constant/read.js";
import { wordType } from "../../ir/constant/words.js";
import { GROUP_SIZES, type GroupSize } from "../../ir/ternary/groups.js";
import { type RowTile, rowTiles } from "../pack/row-tiles.js";
import { codedGroup } from "./coded-group.js";
import type { LosslessGroup } from "./found-group.js";

/**
 * Looks for the first of `sizes`, from rows (null) down, whose groups of a weight are all ternary already; undefined where
 * none is. The first row, which tells almost every other weight, is read by itself; where rows are columns of the file, the
 * first inputs of all of them. Beyond `mostRows` nobody looks.
 */
export function losslessGroup(
  weight: Constant,
  reader: ByteReader,
  sizes: readonly (GroupSize | null)[],
  mostRows = Number.POSITIVE_INFINITY,
): LosslessGroup | undefined {
  const [, width = 0] = weight.shape;
  const rows = Math.min(weight.shape[0] ?? 0, mostRows);
  const byCodes = codedGroup(
    weight,
    reader,
    sizes.filter((size) => size === null || size < width),
    rows,
  );
  if (byCodes !== null) return byCodes;
  const turned = storedByInputs(weight);
  if (turned !== undefined && !beginsTernary(turned, reader)) return undefined;
  const left = sizes.filter((size) => size === null || size < width);
  const types = new Set<"f16" | "bf16">(["f16", "bf16"]);
  for (const [first, last] of [[0, Math.min(1, rows)] as const, [1, rows] as const]) {
    for (const tile of rowTiles(weight, first, last, reader)) {
      for (let row = tile.start; row < tile.end; row++) {
        const bits = bitsOf(tile, row, width);
        for (;;) {
          const [group] = left;
          if (group === undefined) return undefined;
          const found = tile.words === undefined ? types : undefined;
          if (isTernary(bits, group, found)) break;
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

/** A row's floats in integers, two to each where they have 16 bits and lie so. */
interface RowBits {
  readonly bits: Int32Array;
  /** All but the signs. */
  readonly mask: number;
  readonly pairs: boolean;
}

function bitsOf({ start, words, row }: RowTile, index: number, width: number): RowBits {
  if (words === undefined) {
    const { buffer, byteOffset } = row(index);
    return { bits: new Int32Array(buffer, byteOffset, width), mask: 0x7fffffff, pairs: false };
  }
  const at = (index - start) * width;
  const byte = words.byteOffset + 2 * at;
  if (width % 2 === 0 && byte % 4 === 0)
    return { bits: new Int32Array(words.buffer, byte, width / 2), mask: 0x7fff7fff, pairs: true };
  return { bits: Int32Array.from(words.subarray(at, at + width)), mask: 0x7fff, pairs: false };
}

/** Whether each group of a row has one magnitude besides 0. Types of which one is no value are taken from `types`. */
function isTernary(
  { bits, mask, pairs }: RowBits,
  group: GroupSize | null,
  types: Set<"f16" | "bf16"> | undefined,
): boolean {
  const step = group === null ? bits.length : pairs ? group / 2 : group;
  for (let start = 0; start < bits.length; start += step) {
    const end = Math.min(bits.length, start + step);
    let i = start;
    while (i < end && (bits[i]! & mask) === 0) i++;
    const first = i < end ? bits[i]! & mask : 0;
    const scale = pairs ? 0x10001 * (first & 0x7fff || first >>> 16) : first;
    // No branch, for nobody can predict which weights are zero: adding the mask carries into the sign of what is not 0.
    let others = 0;
    for (; i < end; i++) {
      const magnitude = bits[i]! & mask;
      others |= (magnitude + mask) & ((magnitude ^ scale) + mask);
    }
    if ((others & ~mask) !== 0) return false;
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
