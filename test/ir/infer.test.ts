import { describe, expect, it } from "vitest";
import type { Dim, Shape } from "../../ir/dim.js";
import type { Node, ValueType } from "../../ir/graph/graph.js";
import { inferNode } from "../../ir/ops/infer.js";
import { compareDims } from "../../ir/ops/operands.js";
import { reshapedShape } from "../../ir/ops/shape-results.js";
import { sliceExtent } from "../../ir/ops/slice.js";

const MAX = 2 ** 63;

describe("sliceExtent", () => {
  it.each<[Dim, Dim, Dim, number, Dim, Dim]>([
    // size, start, end, step → start, length
    [10, 2, 5, 1, 2, 3],
    [10, -3, MAX, 1, 7, 3],
    [10, 4, 2, 1, 4, 0],
    [10, 1, 10, 3, 1, 3],
    [10, -1, -MAX, -1, 9, 10],
    [10, 8, 2, -2, 8, 3],
    ["n", 0, MAX, 1, 0, "n"],
    ["n", 3, MAX, 1, 3, "n-3"],
    ["n", -2, MAX, 1, "n-2", 2],
    ["n+m", "m", MAX, 1, "m", "n"],
    ["n+m", 0, "m", 1, 0, "m"],
    ["2*n", 0, MAX, 2, 0, "n"],
    ["2*n", 0, "n", 1, 0, "n"],
    ["n", -1, -MAX, -1, "n-1", "n"],
    [512, 0, 4096, 1, 0, 512],
  ])("of size %s from %s to %s by %s starts at %s and has %s elements", (size, a, b, step, start, length) => {
    expect(sliceExtent(size, a, b, step)).toEqual({ start, length });
  });

  it("gives up where symbols leave it open", () => {
    expect(sliceExtent("n", 0, "m", 1)).toBeUndefined();
    expect(sliceExtent("n", 0, MAX, 2)).toBeUndefined();
  });
});

describe("compareDims", () => {
  it.each<[Dim, Dim, -1 | 0 | 1 | undefined]>([
    [3, 4, -1],
    ["n", 0, 1],
    ["n", -1, 1],
    ["n", 1, undefined],
    ["n+1", 1, 1],
    ["n*m+n", "n", 1],
    ["n", "2*n", -1],
    ["n", "m", undefined],
    ["n+m", "m+n", 0],
  ])("%s against %s: %s", (a, b, sign) => {
    expect(compareDims(a, b)).toBe(sign);
  });
});

describe("reshapedShape", () => {
  it.each<[Shape, Dim[], Shape | null]>([
    [
      ["n", 3, 4],
      [0, -1],
      ["n", 12],
    ],
    [
      ["n", 3, 4],
      [-1, 2, 6],
      ["n", 2, 6],
    ],
    [
      ["n", "m", 24],
      ["n", -1, 4, 6],
      ["n", "m", 4, 6],
    ],
    [["n", 3], [-1, 2], null],
    [
      [2, "n+m", 6],
      [-1, 3],
      ["4*m+4*n", 3],
    ],
  ])("[%s] to [%s] is [%s]", (from, to, shape) => {
    expect(reshapedShape(from, to, false)).toEqual(shape);
  });
});

describe("inferNode", () => {
  const infer = (
    node: Node,
    types: Readonly<Record<string, Shape>>,
    ints: Readonly<Record<string, Dim[]>> = {},
  ) => {
    const equated: [Dim, Dim][] = [];
    const known = new Map<string, ValueType>(
      Object.entries(types).map(([id, shape]) => [id, { dtype: "f32", shape }]),
    );
    const [result] = inferNode(node, {
      types: known,
      ints: (id) => ints[id],
      numbers: () => undefined,
      equate: (a, b) => equated.push([a, b]),
    });
    return { shape: result?.shape, equated };
  };
  const add: Node = { op: "binary", inputs: ["a", "b"], outputs: ["y"], attrs: { fn: "add" } };

  it("broadcasts symbols", () => {
    expect(infer(add, { a: ["n", 1, 4], b: ["m", 1] }).shape).toEqual(["n", "m", 4]);
    expect(infer(add, { a: ["n", 4], b: [7, 4] })).toEqual({ shape: [7, 4], equated: [] });
    expect(infer(add, { a: ["n", 4], b: ["m", 4] })).toEqual({ shape: ["n", 4], equated: [["n", "m"]] });
  });

  it("equates the symbols of a contraction and of joined axes", () => {
    const matmul: Node = { op: "matmul", inputs: ["a", "b"], outputs: ["y"], attrs: {} };
    expect(infer(matmul, { a: [2, "n", "k"], b: ["j", 5] })).toEqual({
      shape: [2, "n", 5],
      equated: [["k", "j"]],
    });
    const concat: Node = { op: "concat", inputs: ["a", "b"], outputs: ["y"], attrs: { axis: -1 } };
    expect(infer(concat, { a: ["n", "p"], b: ["n", "q"] }).shape).toEqual(["n", "p+q"]);
  });

  it("names the node, what it expected and what it found", () => {
    const reshape: Node = { op: "reshape", inputs: ["a", "s"], outputs: ["y"], attrs: { allowZero: false } };
    expect(() => infer(add, { a: [3], b: [4] })).toThrow(/%y = binary\(%a, %b\)[\s\S]*found: +3 and 4/);
    expect(() => infer(reshape, { a: [3, 4], s: [2] }, { s: [5, -1] })).toThrow(
      /12 elements[\s\S]*\[5, -1\]/,
    );
    expect(() => infer(reshape, { a: [3, 4], s: [1] }, { s: [-7] })).toThrow(/found: +\[-7\]/);
    const frequencies = [1, 0.5, 0.25];
    const table: Node = {
      op: "rope-table",
      inputs: ["a"],
      outputs: ["y"],
      attrs: { axesDims: [4, 4], theta: 100, frequencies },
    };
    expect(() => infer(table, { a: [9, 2] })).toThrow(/one frequency per channel pair \(4\)[\s\S]*found: +3/);
  });
});
