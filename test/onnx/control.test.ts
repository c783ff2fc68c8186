import { describe, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { modelFiles } from "../support/model-files.js";
import {
  type AttributeValue,
  graph,
  model,
  node,
  sequenceValue,
  tensor,
  value,
} from "../support/onnx-builder.js";
import { agree, i64, X, x } from "./against-runtime.js";

const files = modelFiles();

describe("control flow", () => {
  const branch = (op: string) =>
    // Both branches call their value "b", and read x from outside.
    graph({ outputs: [value("b", "f32", ["r", 3])], nodes: [node(op, ["x", "w"], ["b"])] });
  const w = tensor("w", "f32", [3], [10, 20, 30]);

  it.each([-1, 1])("If takes the branch of the condition (%s)", async (bound) => {
    const imported = await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [w, tensor("bound", "f32", [], [bound])],
        nodes: [
          node("ReduceSum", ["x"], ["sum"], { keepdims: { i: 0 } }),
          node("Less", ["sum", "bound"], ["c"]),
          node("If", ["c"], ["y"], { then_branch: { g: branch("Add") }, else_branch: { g: branch("Mul") } }),
        ],
      }),
    );
    expect(imported.nodes.map((n) => n.op)).toContain("if");
  });

  it("a branch may return a value from outside", async () => {
    const outer = graph({ outputs: [value("x", "f32", ["r", 3])] });
    const other = graph({ outputs: [value("b", "f32", ["r", 3])], nodes: [node("Neg", ["x"], ["b"])] });
    const imported = importOnnx(
      files.save(
        model({
          inputs: [x],
          outputs: [value("y", "f32")],
          initializers: [tensor("c", "bool", [], [1])],
          nodes: [node("If", ["c"], ["y"], { then_branch: { g: outer }, else_branch: { g: other } })],
        }),
      ),
    );
    verifyGraph(imported);
    const y = interpret(imported, new Map([["x", X]]), { reader: fileReader() }).get("y");
    expect(y?.data).toEqual(X.data);
  });

  const scalarF = (name: string) => value(name, "f32", []);
  const loopHead = [value("i", "i64", []), value("go", "bool", [])];

  it("Loop carries values, collects others, and reads around itself", async () => {
    const body = graph({
      inputs: [...loopHead, value("acc", "f32", ["r", 3])],
      outputs: [value("go", "bool", []), value("acc2", "f32", ["r", 3]), scalarF("part")],
      nodes: [
        node("Add", ["acc", "w"], ["acc2"]),
        node("ReduceMax", ["acc2"], ["part"], { keepdims: { i: 0 } }),
      ],
    });
    await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [w, i64("n", [4], [])],
        nodes: [
          node("Loop", ["n", "", "x"], ["last", "parts"], { body: { g: body } }),
          node("ReduceSum", ["last"], ["total"], { keepdims: { i: 0 } }),
          node("Add", ["parts", "total"], ["y"]),
        ],
      }),
    );
  });

  it("Loop ends when its condition does; loops nest", async () => {
    const inner = graph({
      name: "inner",
      inputs: [value("j", "i64", []), value("on", "bool", []), scalarF("s")],
      outputs: [value("on2", "bool", []), scalarF("s2")],
      nodes: [
        node("Cast", ["i"], ["fi"], { to: { i: 1 } }),
        node("Add", ["s", "fi"], ["s1"]),
        node("Add", ["s1", "one"], ["s2"]),
        node("Less", ["s2", "limit"], ["on2"]),
      ],
    });
    const outer = graph({
      name: "outer",
      inputs: [...loopHead, scalarF("t")],
      outputs: [value("go2", "bool", []), scalarF("t2"), scalarF("t3")],
      nodes: [
        node("Loop", ["many", "yes", "t"], ["t2"], { body: { g: inner } }),
        node("Identity", ["go"], ["go2"]),
        node("Mul", ["t2", "one"], ["t3"]),
      ],
    });
    await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [
          i64("many", [3], []),
          tensor("yes", "bool", [], [1]),
          tensor("one", "f32", [], [1]),
          tensor("limit", "f32", [], [9]),
          tensor("zero", "f32", [], [0]),
        ],
        nodes: [
          node("Loop", ["many", "yes", "zero"], ["s", "all"], { body: { g: outer } }),
          node("Unsqueeze", ["s", "axes"], ["s1"]),
          node("Constant", [], ["axes"], { value_ints: { ints: [0] } }),
          node("ReduceSum", ["x"], ["sum"], { keepdims: { i: 0 } }),
          node("Add", ["all", "sum"], ["y"]),
        ],
      }),
    );
  });

  it("Scan runs along axes, backwards too", async () => {
    const body = graph({
      inputs: [value("s", "f32", []), value("row", "f32", ["r"])],
      outputs: [value("s2", "f32", []), value("out", "f32", ["r"])],
      nodes: [
        node("ReduceSum", ["row"], ["part"], { keepdims: { i: 0 } }),
        node("Add", ["s", "part"], ["s2"]),
        node("Mul", ["row", "s2"], ["out"]),
      ],
    });
    const attributes: Record<string, AttributeValue> = {
      body: { g: body },
      num_scan_inputs: { i: 1 },
      scan_input_axes: { ints: [1] },
      scan_input_directions: { ints: [1] },
      scan_output_axes: { ints: [1] },
      scan_output_directions: { ints: [1] },
    };
    await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [tensor("start", "f32", [], [0.5])],
        nodes: [node("Scan", ["start", "x"], ["end", "y"], attributes)],
      }),
    );
  });
});

describe("sequences", () => {
  it("split, read, and join", async () => {
    await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [i64("last", [-1], []), i64("one", [1], [])],
        nodes: [
          node("SplitToSequence", ["x"], ["parts"], { axis: { i: 1 }, keepdims: { i: 0 } }),
          node("SequenceAt", ["parts", "last"], ["z"]),
          node("SequenceInsert", ["parts", "z", "one"], ["more"]),
          node("SequenceLength", ["more"], ["n"]),
          node("Cast", ["n"], ["f"], { to: { i: 1 } }),
          node("ConcatFromSequence", ["more"], ["joined"], { axis: { i: 1 }, new_axis: { i: 1 } }),
          node("Mul", ["joined", "f"], ["y"]),
        ],
      }),
    );
  });

  it("a loop that grows a sequence", async () => {
    const body = graph({
      inputs: [value("i", "i64", []), value("go", "bool", []), sequenceValue("list")],
      outputs: [value("go", "bool", []), sequenceValue("longer")],
      nodes: [
        node("Gather", ["x", "i"], ["row"]),
        node("Neg", ["row"], ["minus"]),
        node("SequenceInsert", ["list", "minus"], ["longer"]),
      ],
    });
    await agree(
      files,
      model({
        inputs: [x],
        outputs: [value("y", "f32")],
        initializers: [i64("n", [2], [])],
        nodes: [
          node("SequenceEmpty", [], ["empty"]),
          node("Loop", ["n", "", "empty"], ["list"], { body: { g: body } }),
          node("ConcatFromSequence", ["list"], ["y"], { axis: { i: 0 } }),
        ],
      }),
    );
  });
});
