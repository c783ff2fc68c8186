import { describe, expect, it } from "vitest";
import { ternarizeRow } from "../../ir/ternary/ternarize.js";
import { randomFloats, uniform } from "../support/random.js";

/** The definition: sorts all magnitudes and tries every threshold. */
function referenceFit(row: Float32Array): { readonly codes: Int8Array; readonly scale: number } {
  const magnitudes = Float32Array.from(row, Math.abs).sort().reverse();
  let sum = 0;
  let best = -1;
  let threshold = 0;
  let scale = 0;
  for (let k = 0; k < magnitudes.length; k++) {
    const a = magnitudes[k]!;
    sum += a;
    if (magnitudes[k + 1] === a) continue;
    const gain = (sum * sum) / (k + 1);
    if (gain > best) {
      best = gain;
      threshold = a;
      scale = sum / (k + 1);
    }
  }
  const codes = Int8Array.from(row, (w) => (Math.abs(w) >= threshold ? Math.sign(w) : 0));
  return { codes, scale: Math.fround(scale) };
}

function expectReference(row: Float32Array): void {
  const codes = new Int8Array(row.length).fill(77);
  const scale = ternarizeRow(row, "exact", codes);
  const expected = referenceFit(row);
  expect(scale).toBe(expected.scale);
  expect(Buffer.compare(Buffer.from(codes.buffer), Buffer.from(expected.codes.buffer))).toBe(0);
}

/** The upper half of every value's bits. */
function asBfloat(row: Float32Array): Float32Array {
  const bits = new Uint32Array(row.slice().buffer).map((b) => b & 0xffff0000);
  return new Float32Array(bits.buffer);
}

function generate(seed: number, length: number, draw: (next: () => number) => number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length }, () => (next() < 0.5 ? -1 : 1) * draw(next));
}

const normal = (next: () => number) => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

const DISTRIBUTIONS: Readonly<Record<string, (next: () => number) => number>> = {
  normal,
  "small normal": (next) => normal(next) * 1e-3,
  uniform: (next) => next(),
  Laplace: (next) => -Math.log(1 - next()),
  Cauchy: (next) => Math.tan(Math.PI * (next() - 0.5)),
  "every magnitude of f32": (next) => 2 ** (next() * 250 - 125),
  subnormal: (next) => next() * 2 ** -130,
  "near the largest f32": (next) => 3e38 * (0.5 + next() / 2),
  "a few outliers": (next) => (next() < 0.01 ? 100 : 1) * normal(next),
  "many zeros": (next) => (next() < 0.7 ? 0 : normal(next)),
  "few distinct values": (next) => Math.floor(next() * 5) / 8,
  "two clusters": (next) => (next() < 0.2 ? 4 : 1) + next() * 1e-5,
  "one bucket": (next) => 1 + next() / 32,
  // Thresholds a_k = √k − √(k − 1) make S_k²/k the same for all k, but for rounding.
  "flat gain": (next) => {
    const k = 1 + Math.floor(next() * 64);
    return Math.sqrt(k) - Math.sqrt(k - 1);
  },
};

describe("the exact ternary fit", () => {
  describe.each(Object.entries(DISTRIBUTIONS))("of %s rows", (_, draw) => {
    it.each([1, 2, 3, 5, 17, 64, 333, 3072])("has the bits of the sorted search at width %i", (width) => {
      for (let seed = 1; seed <= (width > 1000 ? 4 : 30); seed++) {
        const row = generate(seed * 7919 + width, width, draw);
        expectReference(row);
        expectReference(asBfloat(row));
        expectReference(row.map((w) => Math.round(w * 16) / 16));
      }
    });
  });

  it("is the reference for near-ties: every threshold of a row is as good as the others", () => {
    for (let n = 1; n <= 400; n++) {
      const row = Float32Array.from({ length: n }, (_, i) => Math.sqrt(i + 1) - Math.sqrt(i));
      expectReference(row);
      expectReference(row.map((w, i) => (i % 2 === 0 ? -w : w)));
      // S₁²/1 = S₄²/4 exactly.
      expectReference(Float32Array.of(3, 1, 1, 1, ...row.map((w) => w * 2 ** -n)));
    }
  });

  it("leaves nothing behind for the next row", () => {
    const wide = randomFloats(1, 4096, 1e30);
    const narrow = randomFloats(2, 9, 1e-30);
    expectReference(wide);
    expectReference(narrow);
    expectReference(wide.subarray(3, 700));
    expectReference(narrow);
  });

  it("is constant rows' own magnitude", () => {
    for (const n of [1, 7, 100]) expectReference(new Float32Array(n).fill(-0.3));
  });
});
