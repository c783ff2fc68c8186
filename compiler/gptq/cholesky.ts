import type { AddProduct } from "./product.js";

/**
 * What GPTQ takes of an input: H, sorted and damped, as F·D·Fᵀ with F lower triangular of unit diagonal. R = F·D^½ read
 * backwards is upper triangular with H = R·Rᵀ, so U = R⁻¹ is the upper Cholesky factor of H⁻¹. GPTQ needs no more of U than R
 * says, so nothing is inverted, and factoring takes no memory but H's own.
 */
export interface Factor {
  readonly k: number;
  /** F in the entries with row > column. */
  readonly matrix: Float64Array<SharedArrayBuffer>;
  /** D */
  readonly pivots: Float64Array<SharedArrayBuffer>;
  /** Which input a column is. GPTQ goes through columns from the last, whose diagonal is the largest. */
  readonly order: Int32Array<SharedArrayBuffer>;
  /** What was added to H's diagonal. */
  readonly damping: number;
  /** E[x] by column. */
  readonly mean: Float64Array<SharedArrayBuffer> | null;
}

/** A block of columns from `at`, and rows at or below it. */
export interface StripJob {
  readonly matrix: Float64Array;
  readonly k: number;
  readonly at: number;
  readonly first: number;
  readonly rows: number;
}

/** The steps of a left-looking Cholesky factorization H = L·Lᵀ by blocks of columns. */
export interface CholeskySteps {
  /** Takes from the strip what the columns before it account for. */
  update(strip: StripJob): null;
  /** Factors the block on the diagonal; gives the column whose pivot is not positive, or -1. */
  factor(block: StripJob): number;
  /** Rows below a factored block. */
  solve(strip: StripJob): null;
}

/** Self-contained: its text is also part of the worker threads'. */
export function createCholesky(addProduct: AddProduct, width: number): CholeskySteps {
  const sums = new Float64Array(width * width);
  return {
    update({ matrix, k, at, first, rows }) {
      const columns = Math.min(width, k - at);
      sums.fill(0);
      addProduct(
        { data: matrix, at: first * k, stride: k, rows },
        { data: matrix, at: at * k, down: 1, right: k, columns },
        at,
        sums,
      );
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) matrix[(first + i) * k + at + j]! -= sums[i * width + j]!;
      }
      return null;
    },
    factor({ matrix, k, at, rows }) {
      for (let j = at; j < at + rows; j++) {
        for (let i = j; i < at + rows; i++) {
          let sum = matrix[i * k + j]!;
          for (let p = at; p < j; p++) sum -= matrix[i * k + p]! * matrix[j * k + p]!;
          if (i > j) matrix[i * k + j] = sum / matrix[j * k + j]!;
          else if (sum > 0) matrix[j * k + j] = Math.sqrt(sum);
          else {
            matrix[j * k + j] = sum;
            return j;
          }
        }
      }
      return -1;
    },
    solve({ matrix, k, at, first, rows }) {
      for (let i = first; i < first + rows; i++) {
        for (let j = at; j < at + width; j++) {
          let sum = matrix[i * k + j]!;
          for (let p = at; p < j; p++) sum -= matrix[i * k + p]! * matrix[j * k + p]!;
          matrix[i * k + j] = sum / matrix[j * k + j]!;
        }
      }
      return null;
    },
  };
}
