import { expect, it } from "vitest";
import { intoCell } from "../../compiler/train/start.js";

it("moves weights into the cells of their codes, off the edges and not onto one place", () => {
  const all = Array.from({ length: 601 }, (_, i) => (i - 300) / 100);
  for (const code of [-1, 0, 1]) {
    const moved = all.map((u) => intoCell(u, code));
    for (const u of moved) {
      expect(Math.max(-1, Math.min(1, Math.round(u)))).toBeCloseTo(code, 12);
      expect(Math.abs(Math.abs(u) - 0.5)).toBeGreaterThan(0.05 - 1e-9);
    }
    // What is beyond the edge is mirrored there: two weights at most come to one place near it.
    const atEdge = moved.filter((u) => Math.abs(Math.abs(u) - 0.5) < 0.051);
    expect(atEdge.length).toBeLessThan(6);
  }
  expect([intoCell(0.3, 0), intoCell(-0.7, 0), intoCell(0.7, 1), intoCell(-0.3, -1)]).toEqual([
    expect.closeTo(0.27, 9),
    expect.closeTo(-0.27, 9),
    expect.closeTo(0.73, 9),
    expect.closeTo(-0.73, 9),
  ]);
  expect(intoCell(1.4, 1)).toBe(1.4);
});
