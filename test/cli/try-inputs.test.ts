import { describe, expect, it } from "vitest";
import { nudged, toleranceOf, tryInputs } from "../../compiler/cli/try-inputs.js";

/** What comes of inputs with these differences, each within `tolerance` or not. */
async function tried(most: number, tolerance: number, ...differences: number[]) {
  const asked: number[] = [];
  const found = await tryInputs(most, async (i) => {
    asked.push(i);
    return { difference: differences[i] ?? Number.NaN, tolerance };
  });
  expect(asked).toEqual(Array.from({ length: found.tried }, (_, i) => i));
  return found;
}

describe("kernels against the interpreter", () => {
  it("agree where one of several inputs shows it", async () => {
    expect(await tried(4, 1e-3, 1e-7, 1)).toEqual({
      difference: 1e-7,
      tolerance: 1e-3,
      tried: 1,
      agrees: true,
    });
    expect(await tried(4, 1e-3, 6e-3, 2, 3e-7, 1)).toMatchObject({
      difference: 3e-7,
      tried: 3,
      agrees: true,
    });
  });

  it("do not agree where none does", async () => {
    expect(await tried(4, 1e-3, 6e-3, 6e-3, 6e-3, 5e-3, 0)).toMatchObject({ tried: 4, agrees: false });
    expect(await tried(1, 1e-3, 6e-3, 0)).toMatchObject({ difference: 6e-3, tried: 1, agrees: false });
    expect(await tried(2, 1e-3, Number.NaN, Number.NaN)).toMatchObject({ tried: 2, agrees: false });
  });

  it("may differ by what rounding moves a graph with codes by, and no more", async () => {
    const asked: string[] = [];
    const moves = (by: number) => async () => {
      asked.push("moved");
      return by;
    };
    expect(await toleranceOf(1e-4, moves(1))).toBe(1e-3);
    expect(asked).toEqual([]);
    expect(await toleranceOf(6e-3, moves(4e-3))).toBe(8e-3);
    expect(await toleranceOf(6e-3, moves(1e-7))).toBe(1e-3);
    expect(await toleranceOf(6e-3, null)).toBe(1e-3);
    expect(asked).toEqual(["moved", "moved"]);
  });

  it("nudge floats by a millionth, and nothing else", () => {
    const data = Float32Array.from({ length: 64 }, (_, i) => i + 1);
    const ids = BigInt64Array.of(1n, 2n);
    const moved = nudged(
      new Map([
        ["x", { dtype: "f32" as const, shape: [64], data }],
        ["ids", { dtype: "i64" as const, shape: [2], data: ids }],
        // As verify gives them.
        ["positions", { dtype: "f32" as const, shape: [2], data: Float32Array.of(1, 2) }],
      ]),
      [
        { name: "x", dtype: "bf16" },
        { name: "positions", dtype: "i64" },
      ],
    );
    const changes = data.map((x, i) => Number(moved.get("x")?.data[i]) / x - 1);
    for (const change of changes) expect(Math.abs(change)).toBeCloseTo(1e-6, 7);
    expect(new Set(changes.map(Math.sign)).size).toBe(2);
    expect(moved.get("ids")?.data).toBe(ids);
    expect(moved.get("positions")?.data).toEqual(Float32Array.of(1, 2));
  });
});
