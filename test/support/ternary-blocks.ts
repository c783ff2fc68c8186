import type { BlockFormat } from "../../ir/constant/blocks/formats.js";
import { halfBits } from "../../ir/constant/float16.js";

/**
 * The blocks of ternary and binary formats by where they put element e of a block, written apart from the readers: a
 * code u stands for d·(u − 1), in binary ones (0 or 2) for −d or d.
 */
export interface TernaryBlock {
  readonly kind: number;
  readonly elements: number;
  encode(codes: readonly number[], d: number): Uint8Array;
}

const half = (d: number) => new Uint8Array(Uint16Array.of(halfBits(d)).buffer);

function bits(bytes: number, places: (e: number) => readonly [byte: number, shift: number]) {
  return (codes: readonly number[]) => {
    const out = new Uint8Array(bytes);
    for (const [e, code] of codes.entries()) {
      const [byte, shift] = places(e);
      out[byte]! |= code << shift;
    }
    return out;
  };
}

/** v = Σ uₙ·3^(4−n), stored as ⌊(256v + 242)/243⌋. */
function baseThree(stages: readonly (readonly [bytes: number, digits: number, first: number])[]) {
  return (codes: readonly number[]) => {
    const out: number[] = [];
    for (const [bytes, digits, first] of stages) {
      for (let byte = 0; byte < bytes; byte++) {
        let v = 0;
        for (let n = 0; n < digits; n++) v += codes[first + n * bytes + byte]! * 3 ** (4 - n);
        out.push(Math.floor((256 * v + 242) / 243));
      }
    }
    return Uint8Array.from(out);
  };
}

const consecutive = (elements: number) => bits(elements / 4, (e) => [Math.floor(e / 4), 2 * (e % 4)]);
const scaleFirst = (codes: Uint8Array, d: number) => Buffer.concat([half(d), codes]);
const scaleLast = (codes: Uint8Array, d: number) => Buffer.concat([codes, half(d)]);

const tq2 = bits(64, (e) => [32 * Math.floor(e / 128) + (e % 32), 2 * (Math.floor(e / 32) % 4)]);
const tq1 = baseThree([
  [32, 5, 0],
  [16, 5, 160],
  [4, 4, 240],
]);
const ptq1 = baseThree([
  [16, 5, 0],
  [8, 5, 80],
  [2, 4, 120],
]);
const q1 = bits(16, (e) => [Math.floor(e / 8), e % 8]);

export const TERNARY_BLOCKS = {
  Q2_0: { kind: 42, elements: 64, encode: (codes, d) => scaleFirst(consecutive(64)(codes), d) },
  PQ2_0: { kind: 142, elements: 128, encode: (codes, d) => scaleFirst(consecutive(128)(codes), d) },
  TQ2_0: { kind: 35, elements: 256, encode: (codes, d) => scaleLast(tq2(codes), d) },
  TQ1_0: { kind: 34, elements: 256, encode: (codes, d) => scaleLast(tq1(codes), d) },
  PTQ1_0: { kind: 143, elements: 128, encode: (codes, d) => scaleLast(ptq1(codes), d) },
  Q1_0: { kind: 41, elements: 128, encode: (codes, d) => scaleFirst(q1(codes.map((u) => u >> 1)), d) },
} satisfies Partial<Record<BlockFormat, TernaryBlock>>;

export type TernaryFormat = keyof typeof TERNARY_BLOCKS;

/** Rows of a format, and what they stand for: codes and half-precision scales drawn by `next`, one scale a block. */
export function ternaryRows(
  format: TernaryFormat,
  [rows, width]: readonly [number, number],
  code: () => number,
  scale: (row: number) => number,
): { readonly bytes: Uint8Array; readonly values: Float32Array } {
  const { elements, encode } = TERNARY_BLOCKS[format];
  const blocks: Uint8Array[] = [];
  const values: number[] = [];
  for (let i = 0; i < (rows * width) / elements; i++) {
    const d = scale(Math.floor((i * elements) / width));
    const codes = Array.from({ length: elements }, () => (format === "Q1_0" ? 2 * (code() & 1) : code()));
    blocks.push(encode(codes, d));
    values.push(...codes.map((u) => (u === 1 ? 0 : d * (u - 1))));
  }
  return { bytes: Buffer.concat(blocks), values: Float32Array.from(values) };
}
