import type { Factor } from "./cholesky.js";
import type { AddProduct } from "./product.js";

export interface RowsJob {
  readonly factor: Factor;
  /** [rows, k] */
  readonly weights: Float32Array;
  /** The grid: a scale for each row, or each `group` of its inputs, [rows, groups]. */
  readonly scales: Float32Array;
  readonly group: number;
}

/** By row, but for the codes. */
export interface RowsResult {
  readonly codes: Int8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  /** (w − ŵ)·E[x] */
  readonly shifts: Float64Array<ArrayBuffer>;
  /** (w − ŵ)·H·(w − ŵ)ᵀ, of the moments before damping. */
  readonly errors: Float64Array<ArrayBuffer>;
  /** w·H·wᵀ */
  readonly energies: Float64Array<ArrayBuffer>;
}

/**
 * GPTQ of rows. Where U is the upper Cholesky factor of H⁻¹, it moves what a rounded column lost to those that follow:
 * e_j = (w_j − s·t_j)/U_jj, W[:, j:] −= e_j·U[j, j:]. All that has come to column j by then is ((w − ŵ)·F)_j, over the
 * columns before it, where H = F·D·Fᵀ. Taken in this form, nothing has to be inverted.
 *
 * With r = (w − s·t)·F and τ = t·F: the refit s + (t·H·(w − s·t)ᵀ)/(t·H·tᵀ), whose products are Σ D·τ·r and Σ D·τ². A row
 * that holds {-s, 0, s} already has r = 0 and stays as it is. Where groups have scales of their own, all of a row's grow by
 * one factor: s is the largest, and t is in units of it.
 *
 * Self-contained: its text is also part of the worker threads'.
 */
export function createRows(addProduct: AddProduct, width: number): (job: RowsJob) => RowsResult {
  return ({ factor: { matrix, k, pivots, order, damping, mean }, weights, scales, group }) => {
    const rows = weights.length / k;
    const groups = scales.length / rows;
    // Lost by each row, then the codes of each row: both go through F.
    const left = new Float64Array(2 * rows * k);
    const fed = new Float64Array((2 * rows + 3) * width);
    const triangle = new Float64Array(width * width);
    const codes = new Int8Array(rows * k);
    const refit = new Float32Array(rows * groups);
    const largest = Float64Array.from({ length: rows }, (_, r) =>
      scales.subarray(r * groups, (r + 1) * groups).reduce((most, s) => Math.max(most, s), 0),
    );
    const [shifts, errors, energies] = [
      new Float64Array(rows),
      new Float64Array(rows),
      new Float64Array(rows),
    ];
    /** Σ D·r², Σ D·τ·r and Σ D·τ² of each row. */
    const products = new Float64Array(3 * rows);

    function roundBlock(r: number, from: number, count: number): void {
      const unit = largest[r]!;
      const [lost, coded] = [r * width, (rows + r) * width];
      for (let j = count - 1; j >= 0; j--) {
        const column = from + j;
        const input = order[column]!;
        const at = r * k + input;
        const s = scales[r * groups + Math.floor(input / group)]!;
        const w = weights[at]!;
        const current = w + fed[lost + j]!;
        const code = 2 * Math.abs(current) < s || s === 0 ? 0 : Math.sign(current);
        const d = w - s * code;
        const t = s === unit ? code : (code * s) / unit;
        codes[at] = code;
        left[r * k + column] = d;
        left[(rows + r) * k + column] = t;
        const [rest, tau, pivot] = [fed[lost + j]! + d, fed[coded + j]! + t, pivots[column]!];
        products[3 * r]! += pivot * rest * rest;
        products[3 * r + 1]! += pivot * tau * rest;
        products[3 * r + 2]! += pivot * tau * tau;
        feed(lost, d, j);
        feed(coded, t, j);
      }
    }

    /** Carries `by` of a column of the block on to those before it. Many codes are zero, and what is on the grid loses nothing. */
    function feed(to: number, by: number, column: number): void {
      if (by === 0) return;
      for (let i = 0; i < column; i++) fed[to + i]! += by * triangle[column * width + i]!;
    }

    function finishRow(r: number): void {
      const s = largest[r]!;
      const [rr = 0, tr = 0, tt = 0] = products.subarray(3 * r, 3 * r + 3);
      const best = tt > 0 ? Math.fround(s + tr / tt) : s;
      const scale = best > 0 ? best : s;
      const change = scale - s;
      for (let g = r * groups; g < (r + 1) * groups; g++)
        refit[g] = s === 0 ? 0 : Math.fround((scales[g]! * scale) / s);
      let [lost, whole, shift] = [0, 0, 0];
      for (let j = 0; j < k; j++) {
        const input = order[j]!;
        const at = r * k + input;
        const w = weights[at]!;
        const d = w - refit[r * groups + Math.floor(input / group)]! * codes[at]!;
        lost += d * d;
        whole += w * w;
        if (mean !== null) shift += d * mean[j]!;
      }
      shifts[r] = shift;
      errors[r] = rr - 2 * change * tr + change * change * tt - damping * lost;
      energies[r] = rr + 2 * s * tr + s * s * tt - damping * whole;
    }

    for (let from = Math.floor((k - 1) / width) * width; from >= 0; from -= width) {
      const columns = Math.min(width, k - from);
      const end = from + columns;
      fed.fill(0);
      addProduct(
        { data: left, at: end, stride: k, rows: 2 * rows },
        { data: matrix, at: end * k + from, down: k, right: 1, columns },
        k - end,
        fed,
      );
      for (let j = 0; j < columns; j++) {
        const at = (from + j) * k + from;
        triangle.set(matrix.subarray(at, at + columns), j * width);
      }
      for (let r = 0; r < rows; r++) roundBlock(r, from, columns);
    }
    for (let r = 0; r < rows; r++) finishRow(r);
    return { codes, scales: refit, shifts, errors, energies };
  };
}
