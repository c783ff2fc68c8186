import { packTritRow, unpackTritRow } from "./trits.js";
import { packTwoBitRow, unpackTwoBitRow } from "./two-bit.js";

/**
 * How rows of ternary codes lie in a weight file: five trits a byte (1.6 bits a weight), or plain 2-bit codes, which
 * other readers find simpler.
 */
export type TernaryStorage = "trits" | "2bit";

/** A stored byte is Σ (tᵢ + 1)·baseⁱ over its `perByte` codes. */
export const STORED_CODES: Readonly<
  Record<TernaryStorage, { readonly base: number; readonly perByte: number }>
> = {
  trits: { base: 3, perByte: 5 },
  "2bit": { base: 4, perByte: 4 },
};

export function isTernaryStorage(name: string): name is TernaryStorage {
  return Object.hasOwn(STORED_CODES, name);
}

/** Bytes of one row of `k` codes. */
export function codeRowBytes(storage: TernaryStorage, k: number): number {
  return Math.ceil(k / STORED_CODES[storage].perByte);
}

/** Packs one row of codes in {-1, 0, 1} into `out` (`codeRowBytes(storage, codes.length)` bytes). */
export function packCodeRow(storage: TernaryStorage, codes: Int8Array, out: Uint8Array): void {
  if (storage === "trits") packTritRow(codes, out);
  else packTwoBitRow(codes, out);
}

/** Unpacks `out.length` codes of one row. Throws a RangeError on a byte that no codes make. */
export function unpackCodeRow(storage: TernaryStorage, bytes: Uint8Array, out: Int8Array): void {
  if (storage === "trits") unpackTritRow(bytes, out);
  else unpackTwoBitRow(bytes, out);
}
