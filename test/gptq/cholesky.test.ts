import { afterAll, describe, expect, it } from "vitest";
import type { Factor } from "../../compiler/gptq/cholesky.js";
import { factorMoments } from "../../compiler/gptq/factor.js";
import { openGptqPool } from "../../compiler/gptq/workers.js";
import { normals } from "../support/random.js";
import { activationOrder, damped, permuted, sharedCopy } from "./reference.js";

const own = openGptqPool(0);
const pool = openGptqPool(2);
afterAll(() => pool.close());

/** Moments of twice as many inputs as there are columns, which differ in size. */
function moments(k: number): Float64Array {
  const next = normals(k);
  const h = new Float64Array(k * k);
  for (let token = 0; token < 2 * k; token++) {
    const x = Float64Array.from({ length: k }, (_, i) => next() * (1 + ((i * 7) % 5)));
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) h[i * k + j]! += (x[i]! * x[j]!) / (2 * k);
  }
  return h;
}

/** U = (F·D^½ read backwards)⁻¹ in the order in which GPTQ goes through columns. */
function upperFactor({ k, matrix, pivots }: Factor): Float64Array {
  // R·U = I for the upper triangular R, from the last row up.
  const r = (i: number, j: number) => {
    const [row, column] = [k - 1 - i, k - 1 - j];
    return (row === column ? 1 : matrix[row * k + column]!) * Math.sqrt(pivots[column]!);
  };
  const u = new Float64Array(k * k);
  for (let j = 0; j < k; j++) {
    for (let i = j; i >= 0; i--) {
      let sum = i === j ? 1 : 0;
      for (let p = i + 1; p <= j; p++) sum -= r(i, p) * u[p * k + j]!;
      u[i * k + j] = sum / r(i, i);
    }
  }
  return u;
}

/** The largest entry of A·B − I. */
function distanceToIdentity(a: Float64Array, b: Float64Array, k: number): number {
  let most = 0;
  for (let i = 0; i < k; i++) {
    const row = new Float64Array(k);
    for (let p = 0; p < k; p++) for (let j = 0; j < k; j++) row[j]! += a[i * k + p]! * b[p * k + j]!;
    row[i]! -= 1;
    for (const value of row) most = Math.max(most, Math.abs(value));
  }
  return most;
}

describe("factored moments", () => {
  it.each([1, 5, 127, 128, 129, 300])("are UᵀU = H⁻¹ for %i inputs", async (k) => {
    const h = moments(k);
    const factor = await factorMoments(own, { layer: "layer", k, matrix: sharedCopy(h) });
    const order = activationOrder(h, k);
    expect([...factor.order].reverse()).toEqual(order);
    const u = upperFactor(factor);
    const gram = new Float64Array(k * k);
    for (let p = 0; p < k; p++) {
      for (let i = p; i < k; i++)
        for (let j = p; j < k; j++) gram[i * k + j]! += u[p * k + i]! * u[p * k + j]!;
    }
    expect(distanceToIdentity(gram, permuted(damped(h, k), order), k)).toBeLessThan(1e-9);
  });

  it("are the same to the bit in threads", async () => {
    const h = moments(300);
    const [one, two] = await Promise.all(
      [own, pool].map((pool) => factorMoments(pool, { layer: "layer", k: 300, matrix: sharedCopy(h) })),
    );
    expect(two?.matrix).toEqual(one?.matrix);
    expect(two?.pivots).toEqual(one?.pivots);
  });

  it("need the lower triangle alone, and report columns", async () => {
    const h = moments(129);
    const lower = h.map((value, i) => (i % 129 > Math.floor(i / 129) ? Number.NaN : value));
    const said: number[][] = [];
    const given = await factorMoments(
      own,
      { layer: "layer", k: 129, matrix: sharedCopy(lower) },
      (done, of) => said.push([done, of]),
    );
    const whole = await factorMoments(own, { layer: "layer", k: 129, matrix: sharedCopy(h) });
    expect(given.pivots).toEqual(whole.pivots);
    expect(said).toEqual([
      [128, 129],
      [129, 129],
    ]);
  });

  it("sort the mean as they sort columns", async () => {
    const matrix = sharedCopy(Float64Array.from([2, 0, 0, 0, 7, 0, 0, 0, 3]));
    const { mean, order } = await factorMoments(own, { layer: "layer", k: 3, matrix, mean: [10, 11, 12] });
    expect([...order]).toEqual([0, 2, 1]);
    expect([...(mean ?? [])]).toEqual([10, 12, 11]);
  });

  it("are damped where few inputs or none were seen", async () => {
    const k = 130;
    // One input alone, with a column that never is other than zero.
    const x = Float64Array.from({ length: k }, (_, i) => (i === 3 ? 0 : 1 + i / k));
    const h = Float64Array.from({ length: k * k }, (_, i) => x[Math.floor(i / k)]! * x[i % k]!);
    const factor = await factorMoments(own, { layer: "layer", k, matrix: sharedCopy(h) });
    const u = upperFactor(factor);
    expect(u.every(Number.isFinite)).toBe(true);
    // The dead column is the last that GPTQ comes to, and nothing is carried to it.
    expect(factor.order[0]).toBe(3);
    expect(factor.pivots[0]).toBeCloseTo(factor.damping, 12);
    for (let i = 1; i < k; i++) expect(factor.matrix[i * k]).toBe(0);
  });
});

describe("moments that are refused", () => {
  const refused = (values: readonly number[], threads = own) => {
    const matrix = sharedCopy(Float64Array.from(values));
    return factorMoments(threads, { layer: "single.3.proj_out", k: Math.sqrt(values.length), matrix });
  };

  it.each([
    ["NaN", [1, 0, Number.NaN, 1], "NaN at [1, 0]"],
    ["infinite", [1, 0, 0, Number.POSITIVE_INFINITY], "Infinity at [1, 1]"],
    ["all zero", [0, 0, 0, 0], "zeros"],
    ["of a negative square", [1, 0, 0, -1], "a pivot of -1 at input 1"],
    ["indefinite", [1, 2, 2, 1], "at input 0"],
  ])("are %s", async (_, values, found) => {
    for (const threads of [own, pool]) {
      const error = await refused(values, threads).catch((error: unknown) => error);
      expect(error).toMatchObject({ code: "TRITC_E_MOMENTS", details: { place: "single.3.proj_out" } });
      expect(String(error)).toContain(found);
    }
  });
});
