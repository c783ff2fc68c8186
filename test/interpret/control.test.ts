import { describe, expect, it } from "vitest";
import type { Tensor } from "../../ir/tensor.js";
import { type GraphParts, graph, model, node, sequenceValue, value } from "../support/onnx-builder.js";
import { bool, expectClose, f32, i64, initializer, of, runBoth, scalar } from "./onnx-case.js";

/** Runs the model both ways and compares every output. */
async function compare(
  parts: GraphParts,
  inputs: Readonly<Record<string, Tensor>>,
  opset = 18,
): Promise<void> {
  const { found, expected } = await runBoth(model(parts, { opset }), new Map(Object.entries(inputs)));
  expect(expected.size).toBeGreaterThan(0);
  for (const [name, reference] of expected) expectClose(found.get(name), reference, 1e-5, name);
}

describe("control flow", () => {
  const branches: GraphParts = {
    inputs: [value("c", "bool", []), value("x", "f32", [2, 3])],
    outputs: [value("y")],
    nodes: [
      node("Neg", ["x"], ["n"]),
      node("If", ["c"], ["y"], {
        then_branch: { g: graph({ outputs: [value("a")], nodes: [node("Add", ["n", "n"], ["a"])] }) },
        else_branch: { g: graph({ outputs: [value("b")], nodes: [node("Mul", ["x", "n"], ["b"])] }) },
      }),
    ],
  };
  it.each([0, 1])("if takes one branch, which reads outer values (%i)", async (c) => {
    await compare(branches, { c: scalar("bool", c), x: f32(2, 3) });
  });

  /** acc ← acc·2 + x[i]; stops when the sum of acc passes a limit; scans acc. */
  const body = graph({
    inputs: [value("i", "i64", []), value("going", "bool", []), value("acc", "f32", [3])],
    outputs: [value("again", "bool", []), value("next", "f32", [3]), value("seen", "f32", [3])],
    nodes: [
      node("Gather", ["x", "i"], ["row"]),
      node("Add", ["acc", "acc"], ["twice"]),
      node("Add", ["twice", "row"], ["next"]),
      node("Identity", ["next"], ["seen"]),
      node("ReduceSum", ["next"], ["total"], { keepdims: { i: 0 } }),
      node("Less", ["total", "limit"], ["again"]),
    ],
  });
  const looping: GraphParts = {
    inputs: [
      value("n", "i64", []),
      value("x", "f32", [5, 3]),
      value("limit", "f32", []),
      value("start", "f32", [3]),
    ],
    outputs: [value("last", "f32", [3]), value("all", "f32", [null, 3])],
    nodes: [node("Loop", ["n", "go", "start"], ["last", "all"], { body: { g: body } })],
    initializers: [initializer("go", scalar("bool", 1))],
  };
  it.each([0, 1, 5])("loop runs %i times", async (n) => {
    await compare(looping, { n: scalar("i64", n), x: f32(5, 3), limit: scalar("f32", 1e9), start: f32(3) });
  });
  it("loop stops when its condition turns false", async () => {
    await compare(looping, {
      n: scalar("i64", 5),
      x: of(
        "f32",
        [5, 3],
        Array.from({ length: 15 }, (_, k) => k / 7),
      ),
      limit: scalar("f32", 2),
      start: of("f32", [3], [0.1, 0.2, 0.3]),
    });
  });

  const step = graph({
    inputs: [value("s", "f32", [3]), value("row", "f32", [3])],
    outputs: [value("t", "f32", [3]), value("out", "f32", [3])],
    nodes: [node("Add", ["s", "row"], ["t"]), node("Mul", ["t", "row"], ["out"])],
  });
  it.each([
    ["forward", {}],
    ["backward", { scan_input_directions: { ints: [1] }, scan_output_directions: { ints: [1] } }],
    ["along axis 1", { scan_output_axes: { ints: [1] } }],
  ])("scan %s", async (_, attributes) => {
    await compare(
      {
        inputs: [value("start", "f32", [3]), value("xs", "f32", [4, 3])],
        outputs: [value("last"), value("outs")],
        nodes: [
          node("Scan", ["start", "xs"], ["last", "outs"], {
            body: { g: step },
            num_scan_inputs: { i: 1 },
            ...attributes,
          }),
        ],
      },
      { start: f32(3), xs: f32(4, 3) },
    );
  });
});

describe("sequences", () => {
  it("construct, insert, at, length and concat", async () => {
    await compare(
      {
        inputs: [value("a", "f32", [2, 3]), value("b", "f32", [1, 3]), value("at", "i64", [])],
        outputs: [value("joined"), value("item"), value("count", "i64")],
        nodes: [
          node("SequenceConstruct", ["a", "b"], ["s"]),
          node("SequenceInsert", ["s", "b", "at"], ["t"]),
          node("ConcatFromSequence", ["t"], ["joined"], { axis: { i: 0 } }),
          node("SequenceAt", ["t", "at"], ["item"]),
          node("SequenceLength", ["t"], ["count"]),
        ],
      },
      { a: f32(2, 3), b: f32(1, 3), at: scalar("i64", -2) },
    );
  });

  it.each([
    ["ones without the axis", [], { axis: { i: 1 }, keepdims: { i: 0 } }, true],
    ["ones", [], { axis: { i: 1 } }, false],
    ["equal parts", [scalar("i64", 2)], { axis: { i: 1 } }, false],
    ["given parts", [i64(1, 3, 1)], { axis: { i: -1 } }, false],
  ] as const)("split to sequence: %s", async (_, parts, attributes, stacked) => {
    await compare(
      {
        inputs: [value("x", "f32", [3, 5])],
        outputs: [value("joined"), value("second")],
        nodes: [
          node("SplitToSequence", parts.length === 0 ? ["x"] : ["x", "parts"], ["s"], attributes),
          node(
            "ConcatFromSequence",
            ["s"],
            ["joined"],
            stacked ? { axis: { i: 0 }, new_axis: { i: 1 } } : { axis: { i: 1 } },
          ),
          node("SequenceAt", ["s", "one"], ["second"]),
        ],
        initializers: [initializer("one", scalar("i64", 1)), ...parts.map((t) => initializer("parts", t))],
      },
      { x: f32(3, 5) },
    );
  });

  it("a loop that carries a sequence", async () => {
    const body = graph({
      inputs: [value("i", "i64", []), value("going", "bool", []), sequenceValue("s")],
      outputs: [value("again", "bool", []), sequenceValue("t")],
      nodes: [
        node("Identity", ["going"], ["again"]),
        node("Gather", ["x", "i"], ["row"]),
        node("SequenceInsert", ["s", "row"], ["t"]),
      ],
    });
    await compare(
      {
        inputs: [value("x", "f32", [4, 3]), value("n", "i64", [])],
        outputs: [value("y")],
        nodes: [
          node("SequenceEmpty", [], ["empty"]),
          node("Loop", ["n", "", "empty"], ["s"], { body: { g: body } }),
          node("ConcatFromSequence", ["s"], ["y"], { axis: { i: 1 }, new_axis: { i: 1 } }),
        ],
      },
      { x: f32(4, 3), n: scalar("i64", 3) },
    );
  });

  it("a condition selects rows", async () => {
    await compare(
      {
        inputs: [value("x", "f32", [6, 2]), value("keep", "bool", [6])],
        outputs: [value("y")],
        nodes: [
          node("NonZero", ["keep"], ["at"]),
          node("Transpose", ["at"], ["t"]),
          node("GatherND", ["x", "t"], ["y"]),
        ],
      },
      { x: f32(6, 2), keep: bool(6) },
    );
  });
});
