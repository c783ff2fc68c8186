/**
 * Graphs of many nodes, operands or results: what is quadratic in any of these does not end within the test's time.
 */
import { describe, expect, it } from "vitest";
import { planGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { inspectGraph } from "../../compiler/inspect.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { recognition } from "../../compiler/recognize/recognition.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { cpu } from "../../targets/index.js";
import { modelFiles } from "../support/model-files.js";
import { type GraphParts, graph, model, node, tensor, value } from "../support/onnx-builder.js";

const files = modelFiles();
const N = 3_000;
const x = value("x", "f32", ["n", 2]);
const y = value("y", "f32");
const each = <T>(make: (i: number) => T): T[] => Array.from({ length: N }, (_, i) => make(i));
const scalars = each((i) => tensor(`c${i}`, "f32", [1], [i % 7]));
const at = (i: number) => (i === 0 ? "x" : i === N ? "y" : `t${i}`);

function recognized(parts: GraphParts) {
  const reader = fileReader();
  const imported = importOnnx(files.save(model(parts)));
  return { imported, reader, ...recognition(imported, reader) };
}

function run(parts: GraphParts, data: readonly number[] = [1, 2]): readonly number[] {
  const { graph: folded, imported, reader } = recognized(parts);
  const input: Tensor = { dtype: "f32", shape: [1, 2], data: Float32Array.from(data) };
  const result = interpret(folded, new Map([["x", input]]), { reader }).get("y");
  const options = { ternarize: "none", activations: "f32" } as const;
  const { lowered } = planGraph(folded, reader, {
    target: cpu,
    options,
    sizes: {},
    batchAxes: new Map(),
    dtypes: portTypesOf(imported),
  });
  expect(lowered.program.outputs.map((port) => port.name)).toEqual(folded.outputs);
  return Array.from(result?.data ?? [], Number);
}

describe("thousands of", () => {
  it("nodes in a chain", () => {
    const nodes = each((i) => node(i % 2 === 0 ? "Exp" : "Log", [at(i)], [at(i + 1)]));
    const [a = 0, b = 0] = run({ inputs: [x], outputs: [y], nodes });
    expect(Math.abs(a - 1) + Math.abs(b - 2)).toBeLessThan(1e-2);
  });

  it("branches, each of a sigmoid", () => {
    const nodes = each((i) => [
      node("Sigmoid", [at(i)], [`s${i}`]),
      node("Sub", [at(i), `s${i}`], [`d${i}`]),
      node("Add", [`d${i}`, `s${i}`], [at(i + 1)]),
    ]);
    const [a = 0] = run({ inputs: [x], outputs: [y], nodes: nodes.flat() });
    expect(a).toBeCloseTo(1, 2);
  });

  it("equal operands of a concatenation", () => {
    const nodes = [
      ...each((i) => node("Neg", ["x"], [`t${i}`])),
      node(
        "Concat",
        each((i) => `t${i}`),
        ["y"],
        { axis: { i: 1 } },
      ),
    ];
    const { graph: folded, stopped } = recognized({ inputs: [x], outputs: [y], nodes });
    expect(stopped?.expected).toBe("a result of blocks with attention");
    expect(folded.nodes.map((n) => n.op)).toEqual(["unary", "concat"]);
    expect(folded.types.get("y")?.shape).toEqual(["n", 2 * N]);
  });

  it("terms of a sum, with weights of their own", () => {
    const nodes = [
      ...each((i) => node("Mul", ["x", `c${i}`], [`t${i}`])),
      node(
        "Sum",
        each((i) => `t${i}`),
        ["y"],
      ),
    ];
    const total = each((i) => i % 7).reduce((a, b) => a + b);
    expect(run({ inputs: [x], outputs: [y], nodes, initializers: scalars })).toEqual([total, 2 * total]);
  });

  it("results of a split, read backwards", () => {
    const wide = value("x", "f32", [1, N]);
    const nodes = [
      node(
        "Split",
        ["x"],
        each((i) => `t${i}`),
        { axis: { i: 1 } },
      ),
      node(
        "Concat",
        each((i) => `t${N - 1 - i}`),
        ["y"],
        { axis: { i: 1 } },
      ),
    ];
    const { graph: folded } = recognized({ inputs: [wide], outputs: [y], nodes });
    expect(folded.types.get("y")?.shape).toEqual([1, N]);
  });

  it("inputs and outputs of their own sizes", () => {
    const { graph: folded, stopped } = recognized({
      inputs: each((i) => value(`x${i}`, "f32", [`n${i}`])),
      outputs: each((i) => value(`y${i}`, "f32")),
      nodes: each((i) => node("Neg", [`x${i}`], [`y${i}`])),
    });
    expect(inspectGraph({ graph: folded, stopped }).inputs).toHaveLength(N);
    expect(folded.types.get(`y${N - 1}`)?.shape).toEqual([`n${N - 1}`]);
  });

  it("links of shape arithmetic", () => {
    const nodes = each((i) => [
      node("Shape", [at(i)], [`s${i}`]),
      node("Reshape", [at(i), `s${i}`], [at(i + 1)]),
    ]);
    expect(run({ inputs: [x], outputs: [y], nodes: nodes.flat() })).toEqual([1, 2]);
  });
});

describe("what multiplies is bounded", () => {
  const body = (nodes: Parameters<typeof graph>[0]["nodes"]) => ({
    g: graph({
      inputs: [value("i", "i64", []), value("more", "bool", []), value("a", "f32", ["n", 2])],
      outputs: [value("again", "bool", []), value("b", "f32", ["n", 2])],
      nodes: nodes ?? [],
    }),
  });
  const nest = (depth: number): Parameters<typeof graph>[0]["nodes"] => [
    node("Identity", ["more"], ["again"]),
    depth === 0
      ? node("Add", ["a", "a"], ["b"])
      : node("Loop", ["trips", "go", "a"], ["b"], { body: body(nest(depth - 1)) }, { name: "inner" }),
  ];
  const loops = (trips: number, depth: number): GraphParts => ({
    inputs: [x],
    outputs: [y],
    initializers: [tensor("trips", "i64", [], [trips]), tensor("go", "bool", [], [1])],
    nodes: [node("Loop", ["trips", "go", "x"], ["y"], { body: body(nest(depth)) }, { name: "outer" })],
  });

  it("nested loops unroll while they are short", () => {
    expect(run(loops(3, 2))).toEqual([2 ** 27, 2 ** 28]);
  });

  it("nested loops are refused by the name of the outermost when they are long", () => {
    expect(() => recognized(loops(40, 2))).toThrow(/loop outer: .*too long to unroll[\s\S]*20000/);
  });

  it("chains of large constants stay in the graph once the work is spent", () => {
    const nodes = [
      node("ConstantOfShape", ["side"], ["k0"]),
      ...Array.from({ length: 100 }, (_, i) => node("Add", [`k${i}`, "one"], [`k${i + 1}`])),
      node("ReduceMax", ["k100"], ["top"], { keepdims: { i: 0 } }),
      node("Mul", ["x", "top"], ["y"]),
    ];
    const initializers = [tensor("side", "i64", [2], [1024, 1024]), tensor("one", "f32", [1], [1])];
    expect(run({ inputs: [x], outputs: [y], nodes, initializers })).toEqual([100, 200]);
  });

  it("tiles, gathers and sequences of very many entries stay in the graph", () => {
    const many = 1e9;
    const { graph: folded } = recognized({
      inputs: [x, value("wide", "f32", [many]), value("row", "f32", [1, 2])],
      outputs: ["tiled", "gathered", "last"].map((name) => value(name, "f32")),
      initializers: [
        tensor("repeats", "i64", [2], [1, many]),
        tensor("picks", "i64", [100_000], new Array(100_000).fill(0)),
        tensor("zero", "i64", [], [0]),
        tensor("one", "i64", [], [1]),
      ],
      nodes: [
        node("Tile", ["x", "repeats"], ["t"]),
        node("Neg", ["t"], ["tiled"]),
        node("Gather", ["row", "picks"], ["wider"], { axis: { i: 1 } }),
        node("Gather", ["wider", "picks"], ["g"], { axis: { i: 0 } }),
        node("Neg", ["g"], ["gathered"]),
        node("SplitToSequence", ["wide", "one"], ["parts"]),
        node("SequenceAt", ["parts", "zero"], ["last"]),
      ],
    });
    expect(folded.nodes.map((n) => n.op)).toEqual(
      expect.arrayContaining(["tile", "gather", "split-to-sequence"]),
    );
    expect(folded.types.get("tiled")?.shape).toEqual(["n", 2 * many]);
  });

  it("sizes that are long formulas are refused", () => {
    const count = 24;
    const pairs = Array.from({ length: count }, (_, i) => i);
    const nodes = pairs.flatMap((i) => [
      node("Concat", [`a${i}`, `b${i}`], [`j${i}`], { axis: { i: 0 } }),
      node("Size", [`j${i}`], [`s${i}`]),
      node("Mul", [i === 0 ? "one" : `m${i}`, `s${i}`], [`m${i + 1}`]),
    ]);
    const sides = ["a", "b"].flatMap((side) =>
      pairs.map((i) => value(`${side}${i}`, "f32", [`${side}_${i}`])),
    );
    const parts: GraphParts = {
      inputs: sides,
      outputs: [value("y", "i64")],
      initializers: [tensor("one", "i64", [], [1])],
      nodes: [...nodes, node("Identity", [`m${count}`], ["y"])],
    };
    expect(() => recognized(parts)).toThrow(/too long a formula[\s\S]*10000 terms/);
  });
});
