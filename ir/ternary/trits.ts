/**
 * Storage of ternary codes: five trits a byte in base 3 (3⁵ = 243 ≤ 256), b = Σ (tᵢ + 1)·3ⁱ. Every row is
 * padded to whole bytes with t = 0, so that rows can be read and unpacked on their own.
 */
const TRITS_PER_BYTE = 5;

/** Bytes of one row of `k` codes. */
export function tritRowBytes(k: number): number {
  return Math.ceil(k / TRITS_PER_BYTE);
}

/** Packs one row of codes in {-1, 0, 1} into `out` (`tritRowBytes(codes.length)` bytes). */
export function packTritRow(codes: Int8Array, out: Uint8Array): void {
  const whole = Math.floor(codes.length / TRITS_PER_BYTE);
  let at = 0;
  for (let byte = 0; byte < whole; byte++, at += TRITS_PER_BYTE) {
    // 121 = Σ 3ⁱ turns every tᵢ into tᵢ + 1.
    out[byte] =
      121 + codes[at]! + 3 * codes[at + 1]! + 9 * codes[at + 2]! + 27 * codes[at + 3]! + 81 * codes[at + 4]!;
  }
  if (at === codes.length) return;
  let value = 121;
  for (let power = 1; at < codes.length; at++, power *= 3) value += power * codes[at]!;
  out[whole] = value;
}

/** Unpacks `out.length` codes of one row. Throws a RangeError on a byte that no five trits make. */
export function unpackTritRow(bytes: Uint8Array, out: Int8Array): void {
  for (let byte = 0; byte < tritRowBytes(out.length); byte++) {
    let value = bytes[byte] ?? 0;
    if (value >= 243) throw new RangeError(`byte ${value} at ${byte} does not hold five trits`);
    const end = Math.min(out.length, (byte + 1) * TRITS_PER_BYTE);
    for (let i = byte * TRITS_PER_BYTE; i < end; i++) {
      out[i] = (value % 3) - 1;
      value = Math.floor(value / 3);
    }
  }
}
