import type { DType } from "../dtype.js";
import { halfBits } from "./float16.js";

/** The 8-bit floats that checkpoints hold: e4m3 without infinities (OCP's, "fn") and e5m2. */
export type NarrowFloat = "f8e4m3" | "f8e5m2";

export function isNarrowFloat(dtype: DType): dtype is NarrowFloat {
  return dtype === "f8e4m3" || dtype === "f8e5m2";
}

let table: Uint16Array | undefined;

/** Half-precision bits of every e4m3 value by its bits. 1.0 has exponent 7; only ±1.111·2^8 is NaN. */
function e4m3Halves(): Uint16Array {
  table ??= Uint16Array.from({ length: 256 }, (_, bits) => {
    const exponent = (bits >> 3) & 15;
    const fraction = bits & 7;
    const sign = (bits & 0x80) << 8;
    if ((bits & 0x7f) === 0x7f) return sign | 0x7e00;
    return sign | halfBits(exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10));
  });
  return table;
}

/** The same values as half-precision bits, which hold them all exactly. */
export function widenNarrow(dtype: NarrowFloat, bytes: Uint8Array): Uint16Array {
  // An e5m2 is the upper half of a half.
  if (dtype === "f8e5m2") return Uint16Array.from(bytes, (bits) => bits << 8);
  const halves = e4m3Halves();
  return Uint16Array.from(bytes, (bits) => halves[bits]!);
}
