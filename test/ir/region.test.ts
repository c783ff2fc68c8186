import { describe, expect, it } from "vitest";
import { type Region, WrittenElements } from "../../ir/program/region.js";
import { dice } from "../support/mutate.js";

/** Every element of a region. */
function elementsOf({ start, axes }: Region): readonly number[] {
  return axes.reduce<readonly number[]>(
    (from, { size, stride }) => from.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * stride)),
    [start],
  );
}

describe("written elements", () => {
  it("are those of random regions, element by element", () => {
    for (let seed = 1; seed <= 400; seed++) {
      const roll = dice(seed);
      const pitch = 1 + roll(12);
      const region = (): Region => ({
        start: roll(40),
        axes: Array.from({ length: 1 + roll(3) }, () => ({
          size: roll(5),
          stride: [0, 1, 1 + roll(4), pitch, 3 * pitch][roll(5)] ?? 0,
        })),
      });
      const written = new WrittenElements();
      const expected = new Set<number>();
      for (let i = 0; i < 8; i++) {
        const next = region();
        const asked = region();
        written.write(next);
        for (const element of elementsOf(next)) expected.add(element);
        const all = elementsOf(asked).every((element) => expected.has(element));
        expect(written.covers(asked), `seed ${seed}: ${JSON.stringify(asked)}`).toBe(all);
        for (const element of [...expected].slice(0, 5)) {
          expect(written.covers({ start: element, axes: [] }), `seed ${seed}: ${element}`).toBe(true);
        }
      }
    }
  });

  it("of windows of wide rows are found at any size", () => {
    const written = new WrittenElements();
    const [rows, pitch] = [2 ** 36, 21_504];
    const window = (start: number, size: number, count = rows): Region => ({
      start,
      axes: [
        { size: count, stride: pitch },
        { size, stride: 1 },
      ],
    });
    written.write(window(0, 9216));
    written.write(window(9216, 12_288));
    expect(written.covers(window(3072, 3072))).toBe(true);
    expect(written.covers(window(0, pitch))).toBe(true);
    expect(written.covers({ start: 5, axes: [{ size: rows * pitch - 5, stride: 1 }] })).toBe(true);
    expect(written.covers({ start: 6, axes: [{ size: rows * pitch - 5, stride: 1 }] })).toBe(false);
    expect(written.covers(window(3072, 3072, rows + 1))).toBe(false);
  });
});
