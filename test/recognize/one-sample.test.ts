import { describe, expect, it } from "vitest";
import { fixedBatch, oneSample } from "../../compiler/recognize/one-sample.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printNode } from "../../ir/graph/print.js";
import { reader } from "./models.js";

/** The nodes of a graph of x [2, n, 4] and t [2] for one sample. */
function single(...lines: readonly string[]): readonly string[] | undefined {
  const graph = parseGraph(
    `graph "batch" {\ninput %x: f32[2, n, 4]\ninput %t: f32[2]\n${lines.join("\n")}\noutput %y\n}`,
  );
  expect(fixedBatch(graph)).toBe(2);
  const found = oneSample(graph, 2, reader);
  return found?.nodes.map((node) => printNode(node));
}

describe("a graph for two samples", () => {
  it("is one for a single sample where shapes alone speak of two", () => {
    const nodes = single(
      "const %s: i64[2] = dims(2*n, 4)",
      "const %r: i64[3] = dims(2, n, 4)",
      '%f: f32[2*n, 4] = reshape(%x, %s) {"allowZero": false}',
      '%g: f32[2*n, 4] = unary(%f) {"fn": "exp"}',
      '%y: f32[2, n, 4] = reshape(%g, %r) {"allowZero": false}',
    );
    expect(nodes).toHaveLength(3);
  });

  it("takes constants that are the same for both, and no others", () => {
    const sum = '%y: f32[2, n, 4] = binary(%x, %c) {"fn": "add"}';
    expect(single("const %c: f32[2, 1, 4] = [1, 2, 3, 4, 1, 2, 3, 4]", sum)).toHaveLength(2);
    expect(single("const %c: f32[2, 1, 4] = [1, 2, 3, 4, 1, 2, 3, 5]", sum)).toBeUndefined();
  });

  it.each([
    [
      "a sum over samples",
      "const %a: i64[1] = [0]",
      '%y: f32[1, n, 4] = reduce(%x, %a) {"fn": "sum", "keepDims": true, "noopWithEmptyAxes": false}',
    ],
    [
      "samples side by side",
      "const %s: i64[3] = dims(1, n, 8)",
      '%u: f32[n, 2, 4] = transpose(%x) {"perm": [1, 0, 2]}',
      '%y: f32[1, n, 8] = reshape(%u, %s) {"allowZero": false}',
    ],
    [
      "a sample picked",
      '%p: f32[1, n, 4] = part(%x) {"axis": 0, "start": 1, "length": 1}',
      '%y: f32[2, n, 4] = binary(%x, %p) {"fn": "add"}',
    ],
    [
      "samples along an axis of another",
      "const %s: i64[3] = dims(1, 2, 1)",
      '%r: f32[1, 2, 1] = reshape(%t, %s) {"allowZero": false}',
      '%y: f32[2, n, 4] = binary(%x, %r) {"fn": "add"}',
    ],
  ])("stays as it is: %s", (_, ...lines) => {
    expect(single(...lines)).toBeUndefined();
  });
});
