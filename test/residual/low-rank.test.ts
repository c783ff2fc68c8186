/** The best U·V for what ternary weights lose, against a singular value decomposition by rotations. */
import { describe, expect, it } from "vitest";
import { openGptqPool } from "../../compiler/gptq/workers.js";
import { symmetricEigen } from "../../compiler/residual/eigen.js";
import { bestLowRank, type Residual } from "../../compiler/residual/low-rank.js";
import { orthonormalize } from "../../compiler/residual/orthonormal.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { correlated, roundedWeights, sharedCopy } from "../gptq/reference.js";
import { normals } from "../support/random.js";
import { remainder, singularValues, squares, whitened } from "./reference.js";

const own = openGptqPool(0);

/** What exact ternary weights lose, for inputs of such a spectrum. */
function residualOf(seed: number, n: number, k: number, spectrum: (i: number) => number) {
  const { weights, h } = correlated(seed, n, k, spectrum);
  const codes = new Int8Array(n * k);
  const scales = Array.from({ length: n }, (_, r) =>
    ternarizeRow(weights.subarray(r * k, (r + 1) * k), "exact", codes.subarray(r * k, (r + 1) * k)),
  );
  const rounded = roundedWeights(codes, scales);
  return { matrix: weights.map((w, i) => w - (rounded[i] ?? 0)), h };
}

describe("the branch of least error", () => {
  it.each([
    ["more rows than columns", 140, 50],
    ["more columns than rows, over two blocks", 50, 140],
  ])("is within a hundredth of the best of its rank: %s", async (_, rows, columns) => {
    const { matrix, h } = residualOf(3, rows, columns, (i) => 1 / i);
    const inputs = { second: sharedCopy(h), mean: new Float64Array(columns) };
    const all = singularValues(whitened(matrix, h), columns);
    let before = squares(all);
    for (const rank of [1, 4, 8, 16, 24]) {
      const { up, down } = await bestLowRank(own, { matrix, rows, columns, inputs }, rank);
      expect([up.length, down.length]).toEqual([rows * rank, rank * columns]);
      const error = squares(whitened(remainder(matrix, up, down, rank), h));
      const best = squares(all.slice(rank));
      expect(error).toBeGreaterThan(best * (1 - 1e-9));
      expect(error).toBeLessThan(best * 1.01);
      expect(error).toBeLessThan(before);
      before = error;
    }
  });

  it("is that of the weights themselves where nothing is known of the inputs", async () => {
    const [rows, columns, rank] = [90, 60, 12];
    const { matrix } = residualOf(4, rows, columns, () => 1);
    const { up, down } = await bestLowRank(own, { matrix, rows, columns }, rank);
    const error = squares(remainder(matrix, up, down, rank));
    const best = squares(singularValues(matrix, columns).slice(rank));
    expect(error).toBeGreaterThan(best * (1 - 1e-9));
    expect(error).toBeLessThan(best * 1.02);
  });

  it("leaves to the bias what the mean input loses", async () => {
    const [rows, columns, rank] = [60, 40, 6];
    const { matrix, h } = residualOf(5, rows, columns, (i) => 1 / i);
    const next = normals(6);
    const mean = Float64Array.from({ length: columns }, () => 5 * next());
    const second = sharedCopy(h);
    for (let i = 0; i < second.length; i++) second[i]! += mean[Math.floor(i / columns)]! * mean[i % columns]!;
    const shifted = await bestLowRank(own, { matrix, rows, columns, inputs: { second, mean } }, rank);
    const error = squares(whitened(remainder(matrix, shifted.up, shifted.down, rank), h));
    expect(error / squares(singularValues(whitened(matrix, h), columns).slice(rank))).toBeLessThan(1.01);
  });

  it("is exact where as few directions are lost, and nothing where nothing is", async () => {
    const [rows, columns] = [50, 40];
    const next = normals(7);
    const factors = [rows * 3, 3 * columns].map((count) => Float64Array.from({ length: count }, next));
    const [a = [], b = []] = factors;
    const matrix = Float32Array.from(remainder(new Float64Array(rows * columns), a, b, 3));
    const { up, down } = await bestLowRank(own, { matrix, rows, columns }, 5);
    expect(squares(remainder(matrix, up, down, 5))).toBeLessThan(1e-12 * squares(matrix));
    const zero = await bestLowRank(own, { matrix: new Float32Array(rows * columns), rows, columns }, 5);
    expect([...zero.up, ...zero.down].every((value) => value === 0)).toBe(true);
  });

  it("has the same bits with any number of threads", async () => {
    const [rows, columns] = [140, 300];
    const { matrix, h } = residualOf(8, rows, columns, (i) => 1 / i);
    const residual: Residual = {
      ...{ matrix, rows, columns },
      inputs: { second: sharedCopy(h), mean: new Float64Array(columns).fill(0.1) },
    };
    const wanted = await bestLowRank(own, residual, 6);
    const pool = openGptqPool(2);
    try {
      expect(await bestLowRank(pool, residual, 6)).toEqual(wanted);
    } finally {
      await pool.close();
    }
  });
});

describe("symmetric matrices", () => {
  it("are their eigenvectors times eigenvalues, which descend", () => {
    const n = 24;
    const next = normals(9);
    const half = Array.from({ length: n * n }, next);
    const matrix = Float64Array.from(half, (v, i) => v + (half[(i % n) * n + Math.floor(i / n)] ?? 0));
    const { values, vectors } = symmetricEigen(matrix.slice(), n);
    expect([...values]).toEqual([...values].sort((a, b) => b - a));
    const again = Float64Array.from(matrix, (_, at) => {
      let sum = 0;
      for (let r = 0; r < n; r++)
        sum +=
          (values[r] ?? 0) * (vectors[r * n + Math.floor(at / n)] ?? 0) * (vectors[r * n + (at % n)] ?? 0);
      return sum;
    });
    expect(Math.sqrt(squares(matrix.map((v, i) => v - (again[i] ?? 0))) / squares(matrix))).toBeLessThan(
      1e-13,
    );
  });
});

describe("rows", () => {
  it("are made orthonormal though nearly dependent; one that is dependent becomes zeros", () => {
    const width = 40;
    const next = normals(10);
    const first = Float64Array.from({ length: width }, next);
    const near = first.map((v) => v + 1e-9 * next());
    const rows = Float64Array.from([
      ...first,
      ...near,
      ...first.map((v) => -2 * v),
      ...near.map(() => next()),
    ]);
    orthonormalize(rows, width);
    const row = (i: number) => rows.subarray(i * width, (i + 1) * width);
    const products = [0, 1, 2, 3].map((i) =>
      [0, 1, 2, 3].map((j) => row(i).reduce((sum, v, c) => sum + v * (row(j)[c] ?? 0), 0)),
    );
    const wanted = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j && i !== 2 ? 1 : 0)));
    for (const [i, line] of products.entries())
      for (const [j, value] of line.entries()) expect(value).toBeCloseTo(wanted[i]?.[j] ?? Number.NaN, 12);
  });
});
