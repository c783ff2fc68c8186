import { expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { f32, scalar } from "./onnx-case.js";

const F32: ValueType = { dtype: "f32", shape: [1] };

/** A graph whose inputs are those of a loop body. */
function body(nodes: readonly Node[], carried: string): Graph {
  const types = new Map<string, ValueType>([
    ["i", { dtype: "i64", shape: [] }],
    ["going", { dtype: "bool", shape: [] }],
    ["v", F32],
    ["w", F32],
  ]);
  const inputs = ["i", "going", "v"];
  return { name: "body", inputs, outputs: ["going", carried], types, constants: new Map(), nodes };
}

const loop = (count: string | null, from: string, to: string, of: Graph): Node => ({
  op: "loop",
  name: `loop ${to}`,
  inputs: [count, null, from],
  outputs: [to],
  attrs: { body: of },
});

function run(node: Node, count: number) {
  const types = new Map<string, ValueType>([
    ["n", { dtype: "i64", shape: [] }],
    ["x", F32],
    ["y", F32],
  ]);
  const graph = { name: "g", inputs: ["n", "x"], outputs: ["y"], types, constants: new Map(), nodes: [node] };
  const inputs = new Map([
    ["n", scalar("i64", count)],
    ["x", f32(1)],
  ]);
  return interpret(graph, inputs, { reader: fileReader() });
}

const empty = body([], "v");
const nested = body([loop("n", "v", "w", empty)], "w");

it("loops end after 200,000 iterations in all", () => {
  expect(run(loop("n", "x", "y", empty), 3000).get("y")?.data).toHaveLength(1);
  const tooMany = expect.objectContaining({ code: "TRITC_E_LOOP" });
  for (const [node, count] of [
    [loop("n", "x", "y", empty), 1e9],
    [loop(null, "x", "y", empty), 1],
    [loop("n", "x", "y", nested), 2000],
  ] as const) {
    expect(() => run(node, count)).toThrow(tooMany);
  }
});
