import { describe, expect, it } from "vitest";
import { checkInputs } from "../../compiler/evaluate.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph, ValueType } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { f32, f64, i64, of, whole } from "./onnx-case.js";

const GRAPH: Graph = {
  name: "inputs",
  inputs: ["x", "y", "ids"],
  outputs: ["x"],
  types: new Map<string, ValueType>([
    ["x", { dtype: "f32", shape: ["n", 4] }],
    ["y", { dtype: "f32", shape: ["2*n"] }],
    ["ids", { dtype: "i64", shape: ["n"] }],
  ]),
  constants: new Map(),
  nodes: [],
};

const GOOD: Readonly<Record<string, Tensor>> = { x: f32(3, 4), y: f32(6), ids: i64(1, 2, 3) };
const check = (changes: Readonly<Record<string, Tensor | undefined>>) =>
  checkInputs(
    GRAPH,
    new Map(
      Object.entries({ ...GOOD, ...changes }).flatMap(([k, v]) => (v === undefined ? [] : [[k, v] as const])),
    ),
  );

describe("model inputs", () => {
  it("may have the dtypes of the graph or ones that convert exactly", () => {
    expect(check({}).get("x")).toBe(GOOD.x);
    expect(check({ ids: whole("i32", 0, 9, 3) }).get("ids")?.data).toBeInstanceOf(BigInt64Array);
    expect(check({ ids: of("f32", [3], [1, 2, 3]) }).get("ids")?.data).toEqual(BigInt64Array.of(1n, 2n, 3n));
    expect(check({ y: whole("i64", -9, 9, 6) }).get("y")?.dtype).toBe("f32");
    expect(check({ y: f64(6) }).get("y")?.data).toBeInstanceOf(Float32Array);
  });

  it.each<[string, Readonly<Record<string, Tensor | undefined>>, RegExp]>([
    ["missing", { y: undefined }, /y not given/],
    ["unexpected", { z: f32(1) }, /no such input/],
    ["of another rank", { x: f32(3, 4, 1) }, /rank 3 instead of 2/],
    ["of another size", { x: f32(3, 5) }, /axis 1 has size 5, not 4/],
    ["of two sizes for one symbol", { ids: i64(1, 2) }, /the size n is 3 at axis 0 of x but 2/],
    ["against a computed size", { y: f32(7) }, /2\*n = 6/],
    ["fractional where whole numbers are wanted", { ids: of("f32", [3], [1, 2.5, 3]) }, /cannot hold/],
    [
      "not a number where whole numbers are wanted",
      { ids: of("f32", [3], [1, Number.NaN, 3]) },
      /cannot hold/,
    ],
    ["too large for f32", { y: of("i64", [6], [1, 2, 3, 4, 5, 2 ** 24 + 1]) }, /cannot hold/],
    ["bool", { ids: of("bool", [3], [1, 0, 1]) }, /cannot hold/],
  ])("must not be %s", (_, changes, message) => {
    expect(() => check(changes)).toThrow(TritcError);
    expect(() => check(changes)).toThrow(message);
  });
});
