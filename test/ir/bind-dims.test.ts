import { describe, expect, it } from "vitest";
import { bindDims } from "../../ir/bind-dims.js";
import type { Dim } from "../../ir/dim.js";

function bound(pairs: readonly (readonly [Dim, number])[], given: Record<string, number> = {}) {
  const bindings = { ...given };
  bindDims(
    pairs.map(([dim, size]) => ({ dim, size })),
    bindings,
  );
  return bindings;
}

describe("bindDims", () => {
  it.each<readonly [string, readonly (readonly [Dim, number])[], Record<string, number>]>([
    [
      "symbols by themselves, the first size",
      [
        ["n", 4],
        ["m", 5],
        ["n", 6],
      ],
      { n: 4, m: 5 },
    ],
    ["a multiple", [["6*n", 12]], { n: 2 }],
    ["a difference", [["-n+31", 24]], { n: 7 }],
    [
      "a sum, once the other is known, whatever the order",
      [
        ["a+b", 9],
        ["a", 4],
      ],
      { a: 4, b: 5 },
    ],
    [
      "a product with what is known",
      [
        ["a*b+1", 9],
        ["a", 4],
      ],
      { a: 4, b: 2 },
    ],
    [
      "chains",
      [
        ["b+c", 9],
        ["a+b", 5],
        ["a", 2],
      ],
      { a: 2, b: 3, c: 6 },
    ],
    ["nothing where no whole number fits", [["6*n", 13]], {}],
    [
      "nothing of squares and products of unknowns",
      [
        ["n*n", 16],
        ["a*b", 6],
      ],
      {},
    ],
    [
      "names that every object has",
      [
        ["constructor", 3],
        ["2*toString", 8],
      ],
      { constructor: 3, toString: 4 },
    ],
  ])("finds %s", (_, sizes, wanted) => {
    expect(bound(sizes)).toEqual(wanted);
  });

  it("leaves what is bound already", () => {
    expect(bound([["n", 4]], { n: 9 })).toEqual({ n: 9 });
  });
});
