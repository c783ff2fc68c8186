/**
 * Storage of ternary codes in two bits each: u = t + 1 in {0, 1, 2}, four to a byte, code i of a byte at bits 2i. Every
 * row is padded to whole bytes with t = 0, so that rows can be read and unpacked on their own.
 */
const CODES_PER_BYTE = 4;

/** Bytes of one row of `k` codes. */
export function twoBitRowBytes(k: number): number {
  return Math.ceil(k / CODES_PER_BYTE);
}

/** Packs one row of codes in {-1, 0, 1} into `out` (`twoBitRowBytes(codes.length)` bytes). */
export function packTwoBitRow(codes: Int8Array, out: Uint8Array): void {
  const bytes = twoBitRowBytes(codes.length);
  for (let byte = 0; byte < bytes; byte++) {
    const at = byte * CODES_PER_BYTE;
    // 85 = Σ 4ⁱ turns every tᵢ into tᵢ + 1. Codes behind the row's end are 0.
    out[byte] =
      85 +
      (codes[at] ?? 0) +
      4 * (codes[at + 1] ?? 0) +
      16 * (codes[at + 2] ?? 0) +
      64 * (codes[at + 3] ?? 0);
  }
}

/** Unpacks `out.length` codes of one row. Throws a RangeError on the code 3, which stands for nothing. */
export function unpackTwoBitRow(bytes: Uint8Array, out: Int8Array): void {
  for (let byte = 0; byte < twoBitRowBytes(out.length); byte++) {
    let value = bytes[byte] ?? 0;
    // Both bits of a code set.
    if ((value & (value >> 1) & 0x55) !== 0)
      throw new RangeError(`byte ${value} at ${byte} holds the code 3`);
    const end = Math.min(out.length, (byte + 1) * CODES_PER_BYTE);
    for (let i = byte * CODES_PER_BYTE; i < end; i++) {
      out[i] = (value & 3) - 1;
      value >>= 2;
    }
  }
}
