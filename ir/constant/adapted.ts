import { countOf } from "../tensor.js";
import type { Constant, ConstantSource } from "./constant.js";
import type { NumberData } from "./convert.js";

/** Recipes that adapters make of weights, evaluated for elements `from` to `to` of the row-major order. */

/** Elements of a recipe's operand. */
export type ReadElements = (of: Constant, from: number, to: number) => NumberData;
type SourceOf<K extends ConstantSource["kind"]> = Extract<ConstantSource, { readonly kind: K }>;

/** Elements that a pass over a whole weight holds at a time. */
const TILE_ELEMENTS = 1 << 20;

export function sumElements(source: SourceOf<"sum">, from: number, to: number, read: ReadElements) {
  const base = read(source.of, from, to);
  const delta = read(source.delta, from, to);
  const out = new Float32Array(to - from);
  for (let i = 0; i < out.length; i++) out[i] = base[i]! + source.scale * delta[i]!;
  return out;
}

export function productElements(source: SourceOf<"product">, from: number, to: number, read: ReadElements) {
  const base = read(source.of, from, to);
  const by = read(source.by, from, to);
  const out = new Float32Array(to - from);
  for (let i = 0; i < out.length; i++) out[i] = base[i]! * by[i]!;
  return out;
}

/** Rows that lie in one row of blocks are made together, from one row of `left` and as many rows of `right`. */
export function kroneckerElements(
  { left, right }: SourceOf<"kronecker">,
  from: number,
  to: number,
  read: ReadElements,
): Float32Array {
  const [, b = 1] = left.shape;
  const [c = 1, d = 1] = right.shape;
  const width = b * d;
  const out = new Float32Array(to - from);
  const last = Math.ceil(to / width);
  for (let row = Math.floor(from / width); row < last; ) {
    const block = Math.floor(row / c);
    const first = row - block * c;
    const count = Math.min(c - first, last - row);
    const factors = read(left, block * b, (block + 1) * b);
    const rows = read(right, first * d, (first + count) * d);
    for (let r = 0; r < count; r++) {
      for (let j = 0; j < b; j++) {
        const factor = factors[j]!;
        const at = (row + r) * width + j * d - from;
        for (let i = Math.max(0, -at); i < d && at + i < out.length; i++) {
          out[at + i] = factor * rows[r * d + i]!;
        }
      }
    }
    row += count;
  }
  return out;
}

export function renormalizedElements(
  source: SourceOf<"renormalize">,
  from: number,
  to: number,
  read: ReadElements,
): Float32Array {
  const { of, norms, axis } = source;
  const [, width = 1] = of.shape;
  const out = new Float32Array(to - from);
  if (axis === 1) {
    const squares = columnSquares(of, read);
    const wanted = read(norms, 0, width);
    const base = read(of, from, to);
    for (let i = 0; i < out.length; i++) {
      const column = (from + i) % width;
      out[i] = base[i]! * factor(wanted[column]!, squares[column]!);
    }
    return out;
  }
  const first = Math.floor(from / width);
  const last = Math.ceil(to / width);
  const rows = read(of, first * width, last * width);
  const wanted = read(norms, first, last);
  for (let row = first; row < last; row++) {
    const at = (row - first) * width;
    let square = 0;
    for (let i = 0; i < width; i++) square += rows[at + i]! ** 2;
    const scale = factor(wanted[row - first]!, square);
    const begin = Math.max(from, row * width);
    const end = Math.min(to, (row + 1) * width);
    for (let i = begin; i < end; i++) out[i - from] = rows[i - first * width]! * scale;
  }
  return out;
}

function factor(norm: number, square: number): number {
  return square === 0 ? 0 : norm / Math.sqrt(square);
}

/** The norms of columns take a pass over the whole weight: once, rather than for every range of rows. */
const SQUARES = new WeakMap<Constant, Float64Array>();

function columnSquares(of: Constant, read: ReadElements): Float64Array {
  const known = SQUARES.get(of);
  if (known !== undefined) return known;
  const [, width = 1] = of.shape;
  const count = countOf(of.shape);
  const squares = new Float64Array(width);
  const step = Math.max(1, Math.floor(TILE_ELEMENTS / width)) * width;
  for (let at = 0; at < count; at += step) {
    const rows = read(of, at, Math.min(count, at + step));
    for (let i = 0; i < rows.length; i++) squares[i % width]! += rows[i]! ** 2;
  }
  SQUARES.set(of, squares);
  return squares;
}

export function rotatedElements(
  { of, blocks }: SourceOf<"rotate">,
  from: number,
  to: number,
  read: ReadElements,
): Float32Array {
  const [count = 1, size = 1] = blocks.shape;
  const width = count * size;
  const first = Math.floor(from / width) * width;
  const rows = read(of, first, Math.ceil(to / width) * width);
  const turns = read(blocks, 0, count * size * size);
  const out = new Float32Array(to - from);
  for (let i = 0; i < out.length; i++) {
    const column = (from + i) % width;
    const group = from + i - column - first + Math.floor(column / size) * size;
    let sum = 0;
    for (let k = 0; k < size; k++) sum += rows[group + k]! * turns[column * size + k]!;
    out[i] = sum;
  }
  return out;
}
