import { halfValue } from "../float16.js";

/** How a block of consecutive elements of a row lies in bytes. */
export interface BlockLayout {
  /** Elements of a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** The narrowest type that holds all values. */
  readonly dtype: "f16" | "f32";
  /** Values of the block at byte `from` into `out` from element `to` on. */
  decode(bytes: Uint8Array, from: number, out: Float32Array, to: number): void;
}

/** The half-precision number at a byte. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return halfValue(bytes[at]! | (bytes[at + 1]! << 8));
}
