import { STORED_CODES } from "../../ir/ternary/storage.js";
import { renderTemplate } from "../../templates/render.js";
import type { TemplateValues } from "../../templates/template-values.js";
import { assembleWat } from "../codegen/assemble-wat.js";

/** Float types whose rows the WebAssembly module takes. */
export type RowType = "f32" | "f16" | "bf16";

/** Bytes at the start of the module's memory that are its own. */
export const KERNEL_BYTES = 397312;

/** What the module exports. Addresses and strides are bytes. */
export interface RowKernel {
  /**
   * Codes, packed as trits or in two bits each, and scales of `group` elements each of rows, which are overwritten where a
   * row has several; the first row that is not finite, or -1. `scratch` holds 4n bytes.
   */
  ternarize(
    rows: number,
    count: number,
    stride: number,
    n: number,
    group: number,
    absmean: number,
    twoBit: number,
    out: number,
    scales: number,
    scratch: number,
  ): number;
  /** The first of `count` rows that is not finite, or -1. */
  firstInfinite(rows: number, count: number, stride: number, n: number): number;
  /**
   * Rows of n elements, a multiple of 32, as blocks of bytes (Q8_0) or nibbles (Q4_0), one row after the other; the first row
   * that is not finite, or -1.
   */
  blocks(rows: number, count: number, stride: number, n: number, nibbles: number, out: number): number;
  /** Rows in the nearest bf16, one after the other; the first row that is not finite, then or now, or -1. */
  bfloats(rows: number, count: number, stride: number, n: number, out: number): number;
  /** Columns of `k` rows as rows of `to`. */
  transpose(from: number, stride: number, k: number, columns: number, to: number, turned: number): void;
}

const TEMPLATE = "ternarize/ternarize.wat.hbs";
const INFINITE: Readonly<Record<RowType, number>> = { f32: 0x7f800000, f16: 0x7c00, bf16: 0x7f80 };

/** The module that ternarizes rows of a type. */
export async function assembleRowKernel(type: RowType): Promise<Uint8Array<ArrayBuffer>> {
  return assembleWat(renderTemplate(TEMPLATE, valuesFor(type)), TEMPLATE);
}

function valuesFor(type: RowType): TemplateValues {
  const wide = type === "f32";
  const lanes = wide ? 4 : 8;
  return {
    wide,
    half: type === "f16",
    shift: wide ? 2 : 1,
    infinite: INFINITE[type],
    lanes,
    encoders: [encoder("Trits", STORED_CODES.trits, lanes), encoder("TwoBit", STORED_CODES["2bit"], lanes)],
    codings: [
      { name: "Bytes", low: -127, high: 127, sums: false },
      { name: "Nibbles", low: -8, high: 7, sums: true },
    ],
    turns: turnsOf(lanes),
    squares: squaresOf(lanes),
  };
}

/** A lane that no vector has: the result is zero there. */
const NOWHERE = 255;

/** What encode.wat.hbs takes to make 16 bytes of `perByte` codes each, from as many vectors of codes. */
function encoder(name: string, { base, perByte }: { base: number; perByte: number }, lanes: number) {
  const digits = Array.from({ length: perByte }, (_, i) => i);
  return {
    name,
    base,
    perByte,
    block: 16 * perByte,
    zeros: digits.reduce((sum, i) => sum + base ** i, 0),
    loads: digits.flatMap((vector) =>
      Array.from({ length: 16 / lanes }, (_, part) => ({
        vector,
        part,
        offset: 16 * ((16 / lanes) * vector + part),
      })),
    ),
    // The highest power first.
    gathers: digits.toReversed().flatMap((digit) =>
      digits.map((vector) => ({
        vector,
        isHighest: digit === perByte - 1,
        isLast: vector === perByte - 1,
        lanes: gatherLanes(perByte, digit, vector),
      })),
    ),
  };
}

/** For each of 16 bytes, the lane of a vector of codes that holds its digit, if it does. */
function gatherLanes(perByte: number, digit: number, vector: number): string {
  return Array.from({ length: 16 }, (_, byte) => {
    const lane = perByte * byte + digit - 16 * vector;
    return lane >= 0 && lane < 16 ? lane : NOWHERE;
  }).join(" ");
}

/**
 * Turns the square r0, r1, … into t0, t1, …: pairs of vectors are interleaved in ever larger pieces, those of
 * neighbours first.
 */
function turnsOf(lanes: number) {
  const turns: { to: string; a: string; b: string; lanes: string }[] = [];
  let names = numbered("r", lanes);
  for (let piece = 1, stage = 0; piece < lanes; piece *= 2, stage++) {
    const bytes = (16 / lanes) * piece;
    const next = numbered(2 * piece === lanes ? "t" : `s${stage}x`, lanes);
    for (let i = 0; i < lanes; i++) {
      const [block, within] = [Math.floor(i / (2 * piece)) * 2 * piece, i % (2 * piece)];
      const a = names[block + Math.floor(within / 2)];
      const b = names[block + Math.floor(within / 2) + piece];
      const to = next[i];
      if (a === undefined || b === undefined || to === undefined) throw new Error("a square has its rows");
      turns.push({ to, a, b, lanes: interleave(bytes, within % 2 === 1) });
    }
    names = next;
  }
  return turns;
}

function squaresOf(lanes: number): readonly string[] {
  const between = Array.from({ length: Math.log2(lanes) - 1 }, (_, stage) => numbered(`s${stage}x`, lanes));
  return [...numbered("r", lanes), ...between.flat(), ...numbered("t", lanes)];
}

function numbered(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** Lanes that take pieces of `bytes` bytes from two vectors in turn, from their lower or upper halves. */
function interleave(bytes: number, upper: boolean): string {
  return Array.from({ length: 16 }, (_, lane) => {
    const piece = Math.floor(lane / bytes);
    const from = (upper ? 8 : 0) + Math.floor(piece / 2) * bytes + (lane % bytes);
    return piece % 2 === 0 ? from : 16 + from;
  }).join(" ");
}
