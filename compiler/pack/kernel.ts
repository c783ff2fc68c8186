import type { TemplateValues } from "../../templates/family.js";
import { renderTemplate } from "../../templates/render.js";
import { assembleWat } from "../codegen/assemble-wat.js";

/** Float types whose rows the WebAssembly module takes. */
export type RowType = "f32" | "f16" | "bf16";

/** Bytes at the start of the module's memory that are its own. */
export const KERNEL_BYTES = 397312;

/** What the module exports. Addresses and strides are bytes. */
export interface RowKernel {
  /** Codes and scales of rows; the first row that is not finite, or -1. `scratch` holds 4n bytes. */
  ternarize(
    rows: number,
    count: number,
    stride: number,
    n: number,
    absmean: number,
    out: number,
    scales: number,
    scratch: number,
  ): number;
  /** The first of `count` rows that is not finite, or -1. */
  firstInfinite(rows: number, count: number, stride: number, n: number): number;
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
    loads: VECTORS.flatMap((vector) =>
      Array.from({ length: 16 / lanes }, (_, part) => ({
        vector,
        part,
        offset: 16 * ((16 / lanes) * vector + part),
      })),
    ),
    gathers: TRITS.flatMap((trit) =>
      VECTORS.map((vector) => ({ trit, vector, lanes: gatherLanes(trit, vector) })),
    ),
    turns: turnsOf(lanes),
    squares: squaresOf(lanes),
  };
}

const VECTORS = [0, 1, 2, 3, 4] as const;
/** Trits of a byte, the highest power first. */
const TRITS = [4, 3, 2, 1, 0] as const;
/** A lane that no vector has: the result is zero there. */
const NOWHERE = 255;

/** For each of 16 bytes, the lane of a vector of codes that holds its trit, if it does. */
function gatherLanes(trit: number, vector: number): string {
  return Array.from({ length: 16 }, (_, byte) => {
    const lane = 5 * byte + trit - 16 * vector;
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
