import { TritcError } from "../../ir/errors.js";

/** For messages: a tensor, and which of its rows the first one that is looked at is. */
export interface RowPlace {
  readonly tensor: string;
  readonly firstRow: number;
}

/** Whether exponents show at a glance that a row is finite: values from 2 up may hide it. */
export function isPlainlyFinite(values: Float32Array): boolean {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let seen = 0;
  for (let i = 0; i < bits.length; i++) seen |= bits[i]!;
  return (seen & 0x7f800000) !== 0x7f800000;
}

/**
 * Throws TRITC_E_WEIGHT_NOT_FINITE for a NaN, or an infinity where none is allowed, in rows of `width` values from row
 * `start` on.
 */
export function requireFinite(
  data: ArrayLike<number>,
  width: number,
  source: RowPlace,
  start: number,
  allowInfinite = false,
): void {
  if (data instanceof Float32Array && isPlainlyFinite(data)) return;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i]) || (allowInfinite && !Number.isNaN(data[i]))) continue;
    const row = source.firstRow + start + Math.floor(i / Math.max(1, width));
    throw new TritcError({
      code: "TRITC_E_WEIGHT_NOT_FINITE",
      message: "a weight is not a finite number",
      place: source.tensor,
      expected: "finite weights",
      found: `${data[i]} in row ${row}, column ${i % Math.max(1, width)}`,
      remedy:
        "the export is damaged, or overflowed in float16: export the model again in bfloat16 or float32",
    });
  }
}
