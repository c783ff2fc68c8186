import { describe, expect, it } from "vitest";
import { quantizeRow, roundHalfEven } from "../../ir/ternary/quantize.js";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { uniform } from "../support/random.js";

/** Deterministic numbers in (-1, 1), none of them zero. */
function noise(count: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: count }, () => (2 * next() - 1) * 0.999 + 1e-4);
}

function error(w: Float32Array, s: number, t: Int8Array): number {
  return w.reduce((sum, v, i) => sum + (v - s * (t[i] ?? 0)) ** 2, 0);
}

describe("ternarizeRow", () => {
  it("exact is the least-squares optimum: no assignment of a small row is better", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const w = noise(6, seed);
      const codes = new Int8Array(6);
      const found = error(w, ternarizeRow(w, "exact", codes), codes);
      let best = Number.POSITIVE_INFINITY;
      for (let n = 0; n < 3 ** 6; n++) {
        const t = Int8Array.from({ length: 6 }, (_, i) => (Math.floor(n / 3 ** i) % 3) - 1);
        const tt = t.reduce((a, v) => a + v * v, 0);
        const s = tt === 0 ? 0 : t.reduce((a, v, i) => a + v * (w[i] ?? 0), 0) / tt;
        best = Math.min(best, error(w, s, t));
      }
      expect(found).toBeLessThanOrEqual(best + 1e-6);
    }
  });

  it("keeps rows that are ternary already, whatever the method", () => {
    const codes = Int8Array.of(1, 0, -1, -1, 0, 1, 1);
    const s = Math.fround(0.0371);
    for (const method of ["exact", "absmean"] as const) {
      const out = new Int8Array(7).fill(77);
      expect(
        ternarizeRow(
          Float32Array.from(codes, (t) => s * t),
          method,
          out,
        ),
      ).toBe(s);
      expect(out).toEqual(codes);
    }
  });

  it("gives a row of zeros scale 0", () => {
    const out = new Int8Array(3).fill(5);
    expect(ternarizeRow(new Float32Array(3), "exact", out)).toBe(0);
    expect([...out]).toEqual([0, 0, 0]);
  });

  it("absmean follows BitNet b1.58", () => {
    const out = new Int8Array(4);
    expect(ternarizeRow(Float32Array.of(1, -0.2, 0.5, -2.3), "absmean", out)).toBeCloseTo(1, 6);
    expect([...out]).toEqual([1, 0, 1, -1]);
  });
});

describe("quantizeRow", () => {
  it("is within half a step of the row and sums its codes", () => {
    const x = noise(301, 9);
    const q = new Int8Array(301);
    const { scale, sum } = quantizeRow(x, q);
    expect(sum).toBe(q.reduce((a, v) => a + v, 0));
    for (let i = 0; i < x.length; i++)
      expect(Math.abs((x[i] ?? 0) - scale * (q[i] ?? 0))).toBeLessThanOrEqual(scale * 0.5001);
    expect(Math.max(...q.map(Math.abs))).toBe(127);
  });

  it("rounds halves to even and gives tiny and zero rows scale 0", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5].map(roundHalfEven).map((v) => v + 0)).toEqual([0, 2, 2, 0, -2]);
    for (const v of [0, 1e-42]) {
      const q = new Int8Array(2).fill(9);
      expect(quantizeRow(Float32Array.of(v, -v), q)).toEqual({ scale: 0, sum: 0 });
      expect([...q]).toEqual([0, 0]);
    }
  });
});
