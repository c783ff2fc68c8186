import { describe, expect, it } from "vitest";
import { fitRopeTable, fitSinusoid } from "../../compiler/recognize/match/frequencies.js";
import { roundToHalf } from "../../ir/constant/float16.js";

const table = (dims: readonly number[], theta: number, round: (v: number) => number = Math.fround) =>
  dims.flatMap((dim, axis) =>
    Array.from({ length: dim / 2 }, (_, j) => ({ axis, frequency: round(theta ** ((-2 * j) / dim)) })),
  );

describe("rope tables", () => {
  for (const [dims, theta] of [
    [[16, 56, 56], 10000],
    [[32, 32, 32, 32], 2000],
    [[2, 4, 2], 10000],
    [[8], 500000],
  ] as const) {
    it(`axes ${dims}, theta ${theta}`, () => {
      expect(fitRopeTable(table(dims, theta), dims.length)).toEqual({
        axesDims: dims,
        theta,
        frequencies: null,
      });
      expect(
        fitRopeTable(
          table(dims, theta, (v) => v),
          dims.length,
        ),
      ).toEqual({ axesDims: dims, theta, frequencies: null });
    });
  }
  it("lists what no θ gives, with the nearest θ", () => {
    const half = table([8, 12, 12], 10000, roundToHalf);
    const frequencies = half.map((e) => e.frequency);
    expect(fitRopeTable(half, 3)).toEqual({ axesDims: [8, 12, 12], theta: 10000, frequencies });
    // Linear scaling for four times longer sequences.
    const scaled = table([4, 6], 10000).map((e) => ({ ...e, frequency: e.frequency / 4 }));
    const fit = fitRopeTable(scaled, 2);
    expect(fit?.frequencies).toEqual(scaled.map((e) => e.frequency));
    expect(fit?.theta).toBeCloseTo(10000 * 4 ** 1.5, 0);
    // One frequency apart, below half rounding but above that of f32.
    const off = table([4, 6], 10000).map((e, i) =>
      i === 3 ? { ...e, frequency: e.frequency * 1.00001 } : e,
    );
    expect(fitRopeTable(off, 2)).toEqual({
      axesDims: [4, 6],
      theta: 10000,
      frequencies: off.map((e) => e.frequency),
    });
  });
  it("refuses other orders, missing axes and what is no frequency", () => {
    const good = table([4, 6], 10000);
    for (const frequency of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(fitRopeTable(good.with(2, { axis: 1, frequency }), 2)).toBeUndefined();
    }
    expect(fitRopeTable(good.toReversed(), 2)).toBeUndefined();
    expect(fitRopeTable(good, 3)).toBeUndefined();
    expect(fitRopeTable([], 0)).toBeUndefined();
  });
});

describe("timestep sinusoids", () => {
  const sinusoid = (half: number, factor: number, period: number, shift: number, sinFirst: boolean) =>
    [sinFirst, !sinFirst].flatMap((sin) =>
      Array.from({ length: half }, (_, j) => ({
        sin,
        frequency: Math.fround(factor * Math.exp((-Math.log(period) * j) / (half - shift))),
      })),
    );
  for (const [half, factor, maxPeriod, shift, sinFirst] of [
    [128, 1000, 10000, 0, false],
    [128, 1, 10000, 1, true],
    [16, 1000, 500, 0, true],
    [6, 10, 10000, 1, false],
  ] as const) {
    it(`${half} frequencies, factor ${factor}, period ${maxPeriod}, shift ${shift}`, () => {
      const fit = fitSinusoid(sinusoid(half, factor, maxPeriod, shift, sinFirst));
      expect(fit).toEqual({ dim: 2 * half, factor, maxPeriod, shift, sinFirst, frequencies: null });
    });
  }
  it("lists frequencies rounded to half precision, without their factor", () => {
    const half = sinusoid(32, 1, 10000, 0, true).map((e) => ({
      ...e,
      frequency: 1000 * roundToHalf(e.frequency),
    }));
    expect(fitSinusoid(half)).toEqual({
      dim: 64,
      factor: 1000,
      maxPeriod: 10000,
      shift: 0,
      sinFirst: true,
      frequencies: half.slice(0, 32).map((e) => e.frequency / 1000),
    });
  });
  it("refuses halves that differ and single frequencies", () => {
    const good = sinusoid(8, 1, 10000, 0, false);
    expect(fitSinusoid(good.slice(1))).toBeUndefined();
    expect(fitSinusoid(good.map((e) => ({ ...e, sin: false })))).toBeUndefined();
    expect(fitSinusoid(good.map((e, i) => (i === 12 ? { ...e, frequency: 1 } : e)))).toBeUndefined();
    expect(fitSinusoid([])).toBeUndefined();
  });
});
