/** Rotations of OFT from the skew-symmetric matrices Q that it trains, all in double precision. */

/** A square matrix, row-major. */
type Matrix = Float64Array;

/** (I + Q)·(I − Q)⁻¹ */
export function cayley(q: Matrix, size: number): Matrix {
  // R·(I − Q) = I + Q, so (I − Q)ᵀ·Rᵀ = (I + Q)ᵀ; for a skew-symmetric Q that is (I + Q)·Rᵀ = I − Q.
  return transpose(solve(plusIdentity(q, 1, size), plusIdentity(q, -1, size), size), size);
}

/** The first terms of the same as a series, I + 2Q + 2Q² + …, the last one once only, as PEFT takes them. */
export function cayleySeries(q: Matrix, size: number, terms: number): Matrix {
  const highest = terms > 2 ? Math.max(3, terms - 1) : terms - 1;
  const sum = plusIdentity(new Float64Array(size * size), 1, size);
  let power = q;
  for (let k = 1; k <= highest; k++) {
    if (k > 1) power = multiply(power, q, size);
    const factor = k === highest && terms > 2 ? 1 : 2;
    for (let i = 0; i < sum.length; i++) sum[i]! += factor * power[i]!;
  }
  return sum;
}

/** I + sign·Q */
function plusIdentity(q: Matrix, sign: 1 | -1, size: number): Matrix {
  const out = q.map((value) => sign * value);
  for (let i = 0; i < size; i++) out[i * size + i]! += 1;
  return out;
}

function transpose(a: Matrix, size: number): Matrix {
  return a.map((_, i) => a[(i % size) * size + Math.floor(i / size)]!);
}

function multiply(a: Matrix, b: Matrix, size: number): Matrix {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k]!;
      for (let j = 0; j < size; j++) out[i * size + j]! += factor * b[k * size + j]!;
    }
  }
  return out;
}

/** X with A·X = B: Gauss-Jordan with partial pivots; I + Q of a skew-symmetric Q is never singular. */
function solve(a: Matrix, b: Matrix, size: number): Matrix {
  const swap = (m: Matrix, i: number, j: number) => {
    const row = m.slice(i * size, (i + 1) * size);
    m.copyWithin(i * size, j * size, (j + 1) * size);
    m.set(row, j * size);
  };
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(a[row * size + column]!) > Math.abs(a[pivot * size + column]!)) pivot = row;
    }
    for (const m of [a, b]) if (pivot !== column) swap(m, pivot, column);
    const inverse = 1 / a[column * size + column]!;
    for (const m of [a, b]) for (let j = 0; j < size; j++) m[column * size + j]! *= inverse;
    for (let row = 0; row < size; row++) {
      const factor = a[row * size + column]!;
      if (row === column || factor === 0) continue;
      for (const m of [a, b]) {
        for (let j = 0; j < size; j++) m[row * size + j]! -= factor * m[column * size + j]!;
      }
    }
  }
  return b;
}
