import type { ByteReader } from "../../ir/constant/constant.js";

/** A number in -1 to 1 for each whole number. */
function scattered(place: number): number {
  let bits = place + 1;
  for (let round = 0; round < 2; round++) bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 31 - 1;
}

/** Numbers in -1 to 1, the same every time. */
export function floats(count: number, from = 0): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => scattered(from + i));
}

/** The scale of `trits`. */
export const SCALE = 0.0625;

/** Codes -1, 0 and 1, the same every time. */
export function trits(count: number, from = 0): Int8Array<ArrayBuffer> {
  return Int8Array.from({ length: count }, (_, i) => Math.trunc(1.5 * scattered(from + i)));
}

/** Reads f32 weights of a file `floats`, or of `trits`: such codes times `SCALE`. What is packed is kept as long as the reader is. */
export function weightReader(): ByteReader {
  return {
    read(file, offset, length) {
      const [count, from] = [length / 4, offset / 4];
      const values =
        file === "trits" ? Float32Array.from(trits(count, from), (t) => t * SCALE) : floats(count, from);
      return new Uint8Array(values.buffer);
    },
  };
}
