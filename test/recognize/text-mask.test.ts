/** Masks of text tokens in exports: what they hide is not to be given. */
import { describe, expect, it } from "vitest";
import { recognizeTextMask } from "../../compiler/recognize/recognize-text-mask.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { passContext } from "../passes/support.js";

function graphOf({ hidden = "-1e38", column = "dims(1, 1, n, 1)", output = "%y" } = {}) {
  return parseGraph(`graph "g" {
    input %s: f32[1, 2, n, n]
    input %mask: bool[1, n]
    const %row: i64[4] = dims(1, 1, 1, n)
    const %column: i64[4] = ${column}
    const %zero: f32[] = [0]
    const %hidden: f32[] = [${hidden}]
    %keys: bool[1, 1, 1, n] = reshape(%mask, %row) {"allowZero": false}
    %queries: bool[${column.slice(5, -1)}] = reshape(%mask, %column) {"allowZero": false}
    %both: bool[...] = binary(%keys, %queries) {"fn": "and"}
    %bias: f32[...] = where(%both, %zero, %hidden)
    %sum: f32[1, 2, n, n] = binary(%bias, %s) {"fn": "add"}
    %y: f32[1, 2, n, n] = softmax(%sum) {"axis": 3, "log": false}
    output ${output}
  }`);
}

describe("recognize-text-mask", () => {
  it("leaves out a mask that hides tokens from those that it shows, and its input", () => {
    const graph = recognizeTextMask.run(graphOf(), passContext());
    expect(graph.inputs).toEqual(["s"]);
    expect(printGraph(graph)).toMatch(/%y: .* = softmax\(%s\)/);
    expect(graph.nodes).toHaveLength(1);
  });

  it("keeps an input that says something else too", () => {
    const graph = recognizeTextMask.run(graphOf({ output: "%y, %keys" }), passContext());
    expect(graph.inputs).toEqual(["s", "mask"]);
    expect(printGraph(graph)).toMatch(/%y: .* = softmax\(%s\)/);
  });

  it.each([
    ["weakens tokens alone", { hidden: "-5" }],
    ["is of one axis", { column: "dims(1, 1, 1, n)" }],
  ])("leaves a mask that %s as it is", (_, changes) => {
    const graph = graphOf(changes);
    expect(recognizeTextMask.run(graph, passContext())).toBe(graph);
  });
});
