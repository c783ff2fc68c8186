/** The recipes that adapters make of weights: their formulas, in whatever range they are read, and their text. */
import { describe, expect, it } from "vitest";
import { storedFloat } from "../../compiler/lower/weights.js";
import type { ByteReader, Constant, ConstantSource } from "../../ir/constant/constant.js";
import { readConstant, readRows } from "../../ir/constant/read.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { randomFloats } from "../support/random.js";

const NO_FILES: ByteReader = {
  read: () => {
    throw new Error("no file");
  },
};

function constant(seed: number, ...shape: readonly number[]): Constant {
  const values = randomFloats(
    seed,
    shape.reduce((a, b) => a * b, 1),
  );
  return { dtype: "f32", shape, source: { kind: "inline", bytes: new Uint8Array(values.buffer) } };
}

const recipe = (shape: readonly number[], source: ConstantSource): Constant => ({
  dtype: "f32",
  shape,
  source,
});
const valuesOf = (of: Constant) => readConstant(of, NO_FILES).data as Float32Array;

const [ROWS, COLUMNS] = [6, 12];
const weight = constant(1, ROWS, COLUMNS);
const other = constant(2, ROWS, COLUMNS);
const w = valuesOf(weight);
const o = valuesOf(other);
const zeroRow = recipe([ROWS, COLUMNS], {
  kind: "concat",
  of: [
    { dtype: "f32", shape: [1, COLUMNS], source: { kind: "fill", value: 0 } },
    recipe([ROWS - 1, COLUMNS], { kind: "rows", of: weight, start: 1 }),
  ],
});
const [left, right] = [constant(3, 2, 3), constant(4, 3, 4)];
const [rowNorms, columnNorms] = [constant(5, ROWS), constant(6, COLUMNS)];
const blocks = constant(7, 3, 4, 4);

function norm(values: Float32Array, axis: 0 | 1, row: number, column: number): number {
  let square = 0;
  const count = axis === 0 ? COLUMNS : ROWS;
  for (let k = 0; k < count; k++) {
    square += (axis === 0 ? (values[row * COLUMNS + k] ?? 0) : (values[k * COLUMNS + column] ?? 0)) ** 2;
  }
  return Math.sqrt(square);
}

/** Name, recipe, and the value of an element. */
const RECIPES: readonly (readonly [string, Constant, (row: number, column: number, i: number) => number])[] =
  [
    [
      "sum",
      recipe([ROWS, COLUMNS], { kind: "sum", of: weight, delta: other, scale: -0.5 }),
      (_row, _column, i) => (w[i] ?? 0) - 0.5 * (o[i] ?? 0),
    ],
    [
      "product",
      recipe([ROWS, COLUMNS], { kind: "product", of: weight, by: other }),
      (_row, _column, i) => (w[i] ?? 0) * (o[i] ?? 0),
    ],
    [
      "kronecker",
      recipe([ROWS, COLUMNS], { kind: "kronecker", left, right }),
      (row, column) =>
        (valuesOf(left)[Math.floor(row / 3) * 3 + Math.floor(column / 4)] ?? 0) *
        (valuesOf(right)[(row % 3) * 4 + (column % 4)] ?? 0),
    ],
    [
      "renormalize rows",
      recipe([ROWS, COLUMNS], { kind: "renormalize", of: weight, norms: rowNorms, axis: 0 }),
      (row, column, i) => ((w[i] ?? 0) * (valuesOf(rowNorms)[row] ?? 0)) / norm(w, 0, row, column),
    ],
    [
      "renormalize columns",
      recipe([ROWS, COLUMNS], { kind: "renormalize", of: weight, norms: columnNorms, axis: 1 }),
      (row, column, i) => ((w[i] ?? 0) * (valuesOf(columnNorms)[column] ?? 0)) / norm(w, 1, row, column),
    ],
    [
      "renormalize a row of zeros",
      recipe([ROWS, COLUMNS], { kind: "renormalize", of: zeroRow, norms: rowNorms, axis: 0 }),
      (row, column, i) =>
        row === 0 ? 0 : ((w[i] ?? 0) * (valuesOf(rowNorms)[row] ?? 0)) / norm(w, 0, row, column),
    ],
    [
      "rotate",
      recipe([ROWS, COLUMNS], { kind: "rotate", of: weight, blocks }),
      (row, column) => {
        const group = Math.floor(column / 4);
        let sum = 0;
        for (let k = 0; k < 4; k++) {
          sum +=
            (w[row * COLUMNS + group * 4 + k] ?? 0) *
            (valuesOf(blocks)[group * 16 + (column % 4) * 4 + k] ?? 0);
        }
        return sum;
      },
    ],
  ];

describe.each(RECIPES)("%s", (_, made, wanted) => {
  const all = valuesOf(made);

  it("is its formula", () => {
    for (const [i, value] of all.entries()) {
      const expected = wanted(Math.floor(i / COLUMNS), i % COLUMNS, i);
      expect(Math.abs(value - expected), `element ${i}`).toBeLessThan(1e-5);
    }
  });

  it("has the same bits whatever range it is read in", () => {
    for (let row = 0; row < ROWS; row++) {
      const part = readRows(made, row, row + 1, NO_FILES).data;
      expect([...part]).toEqual([...all.subarray(row * COLUMNS, (row + 1) * COLUMNS)]);
    }
    const flat = recipe([ROWS * COLUMNS], { kind: "reshape", of: made });
    for (let from = 0; from < ROWS * COLUMNS; from += 5) {
      for (const to of [from + 1, from + 7, from + 30]) {
        const end = Math.min(to, ROWS * COLUMNS);
        expect([...readRows(flat, from, end, NO_FILES).data]).toEqual([...all.subarray(from, end)]);
      }
    }
  });
});

it("is stored in the type of the weights that were changed", () => {
  const stored: Constant = {
    dtype: "bf16",
    shape: [2, 2],
    source: { kind: "inline", bytes: new Uint8Array(8) },
  };
  const of = recipe([2, 2], { kind: "cast", of: stored });
  const delta = constant(1, 2, 2);
  expect(storedFloat(recipe([2, 2], { kind: "sum", of, delta, scale: 1 }))).toBe("bf16");
  const norms = constant(1, 2);
  expect(storedFloat(recipe([2, 2], { kind: "renormalize", of, norms, axis: 0 }))).toBe("bf16");
});

describe("as text", () => {
  const graph = (source: string) => `graph "g" {
  input %x: f32[1, 4]
  const %w: f32[2, 4] = ${source}
  %y: f32[1, 2] = linear(%x, %w, _) {"role": null, "activation": "none", "gated": false}
  output %y
}`;
  const MATRIX = "f32[2, 4] fill(1)";

  it.each([
    `sum(${MATRIX}, ${MATRIX}, -3.5e-7)`,
    `product(${MATRIX}, ${MATRIX})`,
    "kronecker(f32[1, 2] fill(2), f32[2, 2] fill(3))",
    `renormalize(${MATRIX}, f32[2] fill(3), 0)`,
    `renormalize(${MATRIX}, f32[4] fill(3), 1)`,
    `rotate(${MATRIX}, f32[2, 2, 2] fill(0.5))`,
  ])("%s prints and parses", (source) => {
    expect(printGraph(parseGraph(graph(source)))).toBe(graph(source));
    verifyGraph(parseGraph(graph(source)));
  });

  it.each([
    [`sum(${MATRIX}, f32[4, 2] fill(1), 1)`, "[2, 4], [4, 2]"],
    [`product(${MATRIX}, f32[2, 1] fill(1))`, "[2, 4], [2, 1]"],
    ["kronecker(f32[2, 2] fill(2), f32[2, 2] fill(3))", "[2, 2], [2, 2]"],
    [`renormalize(${MATRIX}, f32[4] fill(3), 0)`, "[2, 4], [4]"],
    [`rotate(${MATRIX}, f32[4, 2, 2] fill(0.5))`, "[2, 4], [4, 2, 2]"],
    [`rows(f32[3, 4] sum(f32[3, 4] fill(1), f32[2, 4] fill(1), 1), 1)`, "[3, 4], [2, 4]"],
  ])("%s is refused, as its operands do not fit", (source, found) => {
    expect(() => verifyGraph(parseGraph(graph(source)))).toThrow(`found:    ${found}`);
  });
});
