import type { AddProduct, ColumnsOf } from "./product.js";

/** Some columns of the product of few rows with a large matrix. */
export interface StripProductJob {
  /** [rows, depth] */
  readonly a: Float64Array;
  readonly rows: number;
  readonly depth: number;
  readonly b: ColumnsOf;
  /** Where the columns come to lie: rows of `stride`, from column `at` on. */
  readonly out: Float64Array;
  readonly at: number;
  readonly stride: number;
}

/** Self-contained: its text is also part of the worker threads'. */
export function createStripProduct(addProduct: AddProduct, width: number): (job: StripProductJob) => null {
  return ({ a, rows, depth, b, out, at, stride }) => {
    const sums = new Float64Array(Math.ceil(rows / 4) * 4 * width);
    addProduct({ data: a, at: 0, stride: depth, rows }, b, depth, sums);
    for (let r = 0; r < rows; r++) out.set(sums.subarray(r * width, r * width + b.columns), r * stride + at);
    return null;
  };
}
