/** Symmetric int8 quantization of one row, and exact ternary dot products: the reference for every kernel. */
export interface QuantizedRow {
  /** x ≈ scale·q */
  readonly scale: number;
  /** Σ q */
  readonly sum: number;
}

/** Rows with a smaller peak count as zero: 2^-100, exact in f32. */
const QUANTIZE_MIN_PEAK = 2 ** -100;

/**
 * scale = max|x| / 127 in f32; q = round-half-to-even(x · (127 / max|x|)), where the reciprocal is one f32
 * division and the product one f32 multiplication, so that kernels can do exactly the same.
 * A row whose peak is below 2^-100 has scale 0 and codes 0 (the reciprocal would overflow). Writes `x.length` codes to `out`.
 */
export function quantizeRow(x: Float32Array | Float64Array, out: Int8Array): QuantizedRow {
  let peak = 0;
  for (const v of x) peak = Math.max(peak, Math.abs(v));
  peak = Math.fround(peak);
  if (peak < QUANTIZE_MIN_PEAK) peak = 0;
  const inverse = peak === 0 ? 0 : Math.fround(127 / peak);
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const q = roundHalfEven(Math.fround(Math.fround(x[i] ?? 0) * inverse));
    const code = Math.max(-127, Math.min(127, q));
    out[i] = code;
    sum += code;
  }
  return { scale: Math.fround(peak / 127), sum };
}

/** The nearest whole number; of two, the even one. */
export function roundHalfEven(v: number): number {
  const down = Math.floor(v);
  const rest = v - down;
  if (rest < 0.5) return down;
  if (rest > 0.5) return down + 1;
  return down % 2 === 0 ? down : down + 1;
}
