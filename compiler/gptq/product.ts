/** A matrix's rows within an array: row r begins at `at + r·stride`. */
export interface RowsOf {
  readonly data: Float64Array;
  readonly at: number;
  readonly stride: number;
  readonly rows: number;
}

/** A matrix of few columns within an array: entry (p, q) at `at + p·down + q·right`. */
export interface ColumnsOf {
  readonly data: Float64Array | Float32Array;
  readonly at: number;
  readonly down: number;
  readonly right: number;
  readonly columns: number;
}

/**
 * c += A·B over `depth` columns of A. `c` has rows of the width that the product was made for, and room for a number of
 * rows that 4 divides; what lies behind A's rows and B's columns in it means nothing.
 */
export type AddProduct = (a: RowsOf, b: ColumnsOf, depth: number, c: Float64Array) => void;

/**
 * Makes products with matrices of at most `width` columns, an even number. Every entry is summed in the same order wherever it
 * lies, so results do not depend on how rows are divided. Self-contained: its text is also part of the worker threads'.
 */
export function createProduct(width: number): AddProduct {
  /** Rows of B at a time: 256 KB of it stay in the second cache, and two columns with four rows of A in the first. */
  const DEPTH = 256;
  const packed = new Float64Array(DEPTH * width);

  /** Rows of B as pairs of columns, one pair after the other. */
  function pack({ data, at, down, right, columns }: ColumnsOf, first: number, depth: number): void {
    const place = (p: number, q: number) => {
      packed[((q >> 1) * depth + p) * 2 + (q & 1)] = data[at + (first + p) * down + q * right]!;
    };
    // Along memory: columns of B may be rows of a large matrix.
    if (right === 1) {
      for (let p = 0; p < depth; p++) for (let q = 0; q < columns; q++) place(p, q);
    } else {
      for (let q = 0; q < columns; q++) for (let p = 0; p < depth; p++) place(p, q);
    }
  }

  /** Four rows, by where they begin in `a`, with two columns: as many sums as a processor's registers hold. */
  function addTile(
    a: Float64Array,
    [a0, a1, a2, a3]: readonly [number, number, number, number],
    b: number,
    depth: number,
    c: Float64Array,
    to: number,
  ): void {
    let s00 = 0;
    let s01 = 0;
    let s10 = 0;
    let s11 = 0;
    let s20 = 0;
    let s21 = 0;
    let s30 = 0;
    let s31 = 0;
    for (let p = 0; p < depth; p++) {
      const b0 = packed[b + 2 * p]!;
      const b1 = packed[b + 2 * p + 1]!;
      const x0 = a[a0 + p]!;
      s00 += x0 * b0;
      s01 += x0 * b1;
      const x1 = a[a1 + p]!;
      s10 += x1 * b0;
      s11 += x1 * b1;
      const x2 = a[a2 + p]!;
      s20 += x2 * b0;
      s21 += x2 * b1;
      const x3 = a[a3 + p]!;
      s30 += x3 * b0;
      s31 += x3 * b1;
    }
    c[to]! += s00;
    c[to + 1]! += s01;
    c[to + width]! += s10;
    c[to + width + 1]! += s11;
    c[to + 2 * width]! += s20;
    c[to + 2 * width + 1]! += s21;
    c[to + 3 * width]! += s30;
    c[to + 3 * width + 1]! += s31;
  }

  return (a, b, depth, c) => {
    for (let first = 0; first < depth; first += DEPTH) {
      const step = Math.min(DEPTH, depth - first);
      pack(b, first, step);
      for (let r = 0; r < a.rows; r += 4) {
        // Behind the last row, that row again.
        const row = (i: number) => a.at + Math.min(r + i, a.rows - 1) * a.stride + first;
        const rows = [row(0), row(1), row(2), row(3)] as const;
        for (let q = 0; q < b.columns; q += 2) addTile(a.data, rows, q * step, step, c, r * width + q);
      }
    }
  };
}
