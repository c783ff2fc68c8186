/** What is left of a row, as a share of what it was, where it is made of those before it: rounding errors. */
const NOTHING = 1e-13;

/**
 * Makes rows of `width` orthonormal, in place, by Gram and Schmidt, twice: once leaves what rounding has lost of nearly
 * dependent rows. A row that depends on those before it becomes zeros.
 */
export function orthonormalize(rows: Float64Array, width: number): void {
  for (let i = 0; i < rows.length; i += width) {
    const row = rows.subarray(i, i + width);
    const before = Math.sqrt(dot(row, row));
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j += width) {
        const other = rows.subarray(j, j + width);
        addTo(row, -dot(row, other), other);
      }
    }
    const length = Math.sqrt(dot(row, row));
    if (length > NOTHING * before) scale(row, 1 / length);
    else row.fill(0);
  }
}

export function dot(a: Float64Array | Float32Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** a += factor·b */
export function addTo(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}

function scale(a: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i]! *= factor;
}
