import { describe, expect, it } from "vitest";
import { Expressions } from "../../compiler/recognize/match/expressions.js";
import { Pairs } from "../../compiler/recognize/match/pairs.js";

describe("Expressions", () => {
  const e = new Expressions();
  const [x = 0, y = 0, z = 0] = e.leaves("%x", 3) ?? [];
  const one = e.constant(1);

  it("gives equal polynomials one number, however they are written", () => {
    const sum = e.add(e.multiply(x, y) ?? 0, e.scale(z, -2));
    expect(e.add(e.scale(z, -2), e.multiply(y, x) ?? 0)).toBe(sum);
    expect(e.add(e.add(sum ?? 0, x) ?? 0, e.scale(x, -1))).toBe(sum);
    expect(e.multiply(one, x)).toBe(x);
    expect(e.scale(e.scale(x, 4), 0.25)).toBe(x);
    expect(e.add(x, e.constant(0))).toBe(x);
    expect(e.add(x, e.scale(x, -1))).toBe(e.constant(0));
    expect(e.multiply(x, e.constant(0))).toBe(e.constant(0));
  });

  it("knows that cosine is even and sine is odd", () => {
    const negative = e.scale(x, -3);
    expect(e.trig("cos", negative)).toBe(e.trig("cos", e.scale(x, 3)));
    expect(e.trig("sin", negative)).toBe(e.scale(e.trig("sin", e.scale(x, 3)), -1));
    expect(e.trig("sin", x)).not.toBe(e.trig("cos", x));
  });

  it("tells values and channels apart", () => {
    const other = e.leaves("%other", 3) ?? [];
    expect(new Set([x, y, z, ...other]).size).toBe(6);
    expect(e.leaves("%x", 3)).toEqual(Int32Array.of(x, y, z));
    const norms = e.norms(Int32Array.of(x, y), 1e-6, null) ?? [];
    expect(e.atom(norms[1] ?? 0)).toMatchObject({ kind: "norm", index: 1, epsilon: 1e-6 });
    expect(e.norms(Int32Array.of(x, y), 1e-5, null)?.[1]).not.toBe(norms[1]);
  });

  it("gives up on long sums and products instead of growing", () => {
    const wide = e.leaves("%wide", 20) ?? new Int32Array();
    expect(
      [...wide].reduce<number | undefined>((s, c) => (s === undefined ? s : e.add(s, c)), e.constant(0)),
    ).toBeUndefined();
    expect(
      [...wide].reduce<number | undefined>((s, c) => (s === undefined ? s : e.multiply(s, c)), one),
    ).toBeUndefined();
  });
});

describe("Pairs", () => {
  it("keeps every pair through growth, negative numbers too", () => {
    const pairs = new Pairs();
    const key = (i: number) => [Math.imul(i, 7919) % 5003, Math.imul(i, -104729)] as const;
    for (let i = 0; i < 20000; i++) expect(pairs.index(...key(i), i)).toBe(i);
    for (let i = 0; i < 20000; i++) expect(pairs.index(...key(i), -1)).toBe(i);
  });
});
