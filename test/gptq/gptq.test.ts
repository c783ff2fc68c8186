import { afterAll, describe, expect, it } from "vitest";
import { factorMoments } from "../../compiler/gptq/factor.js";
import { quantizeRows } from "../../compiler/gptq/gptq.js";
import { relativeError } from "../../compiler/gptq/relative-error.js";
import { openGptqPool } from "../../compiler/gptq/workers.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { normals, randomFloats } from "../support/random.js";
import { correlated, groupedWeights, referenceGptq, roundedWeights, sharedCopy } from "./reference.js";

const own = openGptqPool(0);
const pool = openGptqPool(3);
afterAll(() => pool.close());

const factorOf = (h: Float64Array, k: number, mean?: Float64Array) =>
  factorMoments(own, { layer: "layer", k, matrix: sharedCopy(h), ...(mean && { mean }) });

function exactError(weights: Float32Array, h: Float64Array, k: number): number {
  const codes = new Int8Array(weights.length);
  const scales = Float64Array.from({ length: weights.length / k }, (_, r) =>
    ternarizeRow(weights.subarray(r * k, (r + 1) * k), "exact", codes.subarray(r * k, (r + 1) * k)),
  );
  return relativeError(weights, roundedWeights(codes, scales), h);
}

describe("GPTQ", () => {
  it.each([1, 5, 127, 128, 129, 300])(
    "has the codes and scales of its definition for %i inputs",
    async (k) => {
      const { weights, h } = correlated(k, 9, k, (i) => 1 / i, 0.5);
      const found = await quantizeRows(own, await factorOf(h, k), { name: "w", weights });
      const expected = referenceGptq(weights, h, k);
      expect(found.codes).toEqual(expected.codes);
      found.scales.forEach((scale, r) => {
        expect(Math.abs(scale / expected.scales[r]! - 1)).toBeLessThan(1e-6);
      });
    },
  );

  it.each([
    [70, 32],
    [128, 64],
    [160, 128],
  ] as const)(
    "has the codes and scales of its definition for %i inputs in groups of %i",
    async (k, group) => {
      const { weights: even, h } = correlated(k, 9, k, (i) => 1 / i, 0.5);
      const weights = even.map((w, i) => w * 2 ** Math.floor((i % k) / group));
      const factor = await factorOf(h, k);
      const found = await quantizeRows(own, factor, { name: "w", weights, group });
      const expected = referenceGptq(weights, h, k, group);
      expect(found.codes).toEqual(expected.codes);
      expect(found.scales.length).toBe(9 * Math.ceil(k / group));
      for (const [s, scale] of found.scales.entries())
        expect(Math.abs(scale / expected.scales[s]! - 1)).toBeLessThan(1e-6);
      const error = relativeError(weights, groupedWeights(found.codes, found.scales, k, group), h);
      const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
      expect(sum(found.errors) / sum(found.energies) / error).toBeCloseTo(1, 5);
      const rows = await quantizeRows(own, factor, { name: "w", weights });
      expect(error).toBeLessThan(sum(rows.errors) / sum(rows.energies));
    },
  );

  it("leaves groups that are ternary already as they are", async () => {
    const [k, group] = [100, 32] as const;
    const { h } = correlated(7, 1, k, (i) => 1 / i);
    const codes = Int8Array.from(randomFloats(8, 2 * k, 3), (v) => Math.max(-1, Math.min(1, Math.round(v))));
    codes.fill(0, 32, 64);
    const scales = Float32Array.of(0.3, 0, 0.7, 0.01, 1.1, 0.9, 0.2, 0.4);
    const weights = groupedWeights(codes, scales, k, group);
    const found = await quantizeRows(own, await factorOf(h, k), { name: "w", weights, group });
    expect(found.codes).toEqual(codes);
    expect(found.scales).toEqual(scales);
  });

  it.each([
    ["1/i", (i: number) => 1 / i, 0.09],
    ["1/i^1.5", (i: number) => i ** -1.5, 0.03],
  ])("loses far less than rounding does, with the spectrum %s", async (_, spectrum, most) => {
    const k = 192;
    const { weights, h } = correlated(5, 64, k, spectrum, 0.5);
    const { codes, scales, errors, energies } = await quantizeRows(own, await factorOf(h, k), {
      name: "w",
      weights,
    });
    const error = relativeError(weights, roundedWeights(codes, scales), h);
    expect(exactError(weights, h, k)).toBeGreaterThan(0.17);
    expect(error).toBeLessThan(most);
    const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    expect(sum(errors) / sum(energies) / error).toBeCloseTo(1, 5);
  });

  it("gains nothing where inputs are not correlated", async () => {
    const k = 192;
    const { weights, h } = correlated(6, 64, k, () => 1);
    const { codes, scales } = await quantizeRows(own, await factorOf(h, k), { name: "w", weights });
    expect(relativeError(weights, roundedWeights(codes, scales), h)).toBeCloseTo(
      exactError(weights, h, k),
      4,
    );
  });

  it("leaves rows that are ternary already as they are", async () => {
    const k = 129;
    const { h } = correlated(7, 1, k, (i) => 1 / i);
    const codes = Int8Array.from(randomFloats(8, 2 * k, 3), (v) => Math.max(-1, Math.min(1, Math.round(v))));
    codes.fill(0, k);
    const weights = Float32Array.from(codes, (code) => code * Math.fround(0.3));
    const found = await quantizeRows(own, await factorOf(h, k), { name: "w", weights });
    expect(found.codes).toEqual(codes);
    expect([...found.scales]).toEqual([Math.fround(0.3), 0]);
    expect([...found.errors].map(Math.abs).every((error) => error < 1e-12)).toBe(true);
  });

  it("puts what the mean input loses into the bias", async () => {
    const [n, k] = [70, 130];
    const { weights, h } = correlated(9, n, k, (i) => 1 / i);
    const next = normals(10);
    const mean = Float64Array.from({ length: k }, next);
    const bias = Float32Array.from({ length: n }, next);
    const factor = await factorOf(h, k, mean);
    const found = await quantizeRows(own, factor, { name: "w", weights, bias });
    const rounded = roundedWeights(found.codes, found.scales);
    for (let r = 0; r < n; r++) {
      let [before, after] = [bias[r]!, found.bias?.[r] ?? Number.NaN];
      for (let j = 0; j < k; j++) {
        before += weights[r * k + j]! * mean[j]!;
        after += rounded[r * k + j]! * mean[j]!;
      }
      expect(after).toBeCloseTo(before, 4);
    }
    const without = await quantizeRows(own, factor, { name: "w", weights });
    expect(without.bias?.[0]).toBeCloseTo((found.bias?.[0] ?? 0) - bias[0]!, 5);
    const still = await quantizeRows(own, await factorOf(h, k), { name: "w", weights, bias });
    expect(still.bias).toEqual(bias);
    expect((await quantizeRows(own, await factorOf(h, k), { name: "w", weights })).bias).toBeNull();
  });

  it("gives the same bits with any number of threads, and by parts", async () => {
    const [n, k] = [150, 200];
    const { weights, h } = correlated(11, n, k, (i) => 1 / i);
    const factor = await factorOf(h, k);
    const one = await quantizeRows(own, factor, { name: "w", weights });
    const said: number[] = [];
    const three = await quantizeRows(pool, factor, { name: "w", weights }, (done) => said.push(done));
    expect(three).toEqual(one);
    expect(said.at(-1)).toBe(n);
    expect(said).toHaveLength(3);
    const part = await quantizeRows(own, factor, { name: "w", weights: weights.slice(37 * k, 90 * k) });
    expect(part.codes).toEqual(one.codes.slice(37 * k, 90 * k));
    expect(part.scales).toEqual(one.scales.slice(37, 90));
  });

  it("refuses weights that are not finite", async () => {
    const weights = Float32Array.from([1, 2, 3, Number.NaN]);
    const factor = await factorOf(Float64Array.from([1, 0, 0, 1]), 2);
    await expect(quantizeRows(pool, factor, { name: "blocks.0.w", weights })).rejects.toMatchObject({
      code: "TRITC_E_WEIGHT_NOT_FINITE",
      details: { place: "blocks.0.w", found: "NaN in row 1, column 1" },
    });
  });

  it.each([0, 2])("stops with the signal's reason, with %i threads", async (threads) => {
    const stop = new AbortController();
    const stopped = openGptqPool(threads, stop.signal);
    const k = 256;
    const { weights, h } = correlated(12, 640, k, (i) => 1 / i);
    const factor = await factorOf(h, k);
    const reason = new Error("enough");
    const said: number[] = [];
    const work = quantizeRows(stopped, factor, { name: "w", weights }, (done) => {
      said.push(done);
      stop.abort(reason);
    });
    await expect(work).rejects.toBe(reason);
    expect(said.at(-1)).toBeLessThan(640);
    await expect(quantizeRows(stopped, factor, { name: "w", weights })).rejects.toBe(reason);
    await stopped.close();
  });
});

describe("the relative error", () => {
  it("is that of the definition", () => {
    const w = Float32Array.from([1, 2, 3, 4]);
    const rounded = Float32Array.from([1, 1, 3, 3]);
    // Differences (0, −1) and (0, −1): 2·h₁₁. w·H·wᵀ: 2 + 4·1 + 4·5 and 18 + 24·1 + 16·5.
    expect(relativeError(w, rounded, Float64Array.from([2, 1, 1, 5]))).toBeCloseTo(10 / (26 + 122), 12);
    expect(relativeError(w, w, Float64Array.from([2, 1, 1, 5]))).toBe(0);
  });
});
