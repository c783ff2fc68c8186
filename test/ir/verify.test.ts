import { describe, expect, it } from "vitest";
import type { Shape } from "../../ir/dim.js";
import type { Graph, Node } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";

const graph = parseGraph(`graph "g" {
  input %x: f32[n, 4]
  const %w: f32[4, 2] = [1, 2, 3, 4, 5, 6, 7, 8]
  %m: f32[n, 2] = matmul(%x, %w)
  %y: f32[n, 2] = unary(%m) {"fn": "exp"}
  output %y
}`);
const [matmul, exp] = graph.nodes as readonly [Node, Node];

function withTypes(shapes: Readonly<Record<string, Shape>>): Graph {
  const types = new Map(graph.types);
  for (const [id, shape] of Object.entries(shapes)) types.set(id, { dtype: "f32", shape });
  return { ...graph, types };
}

describe("verifyGraph", () => {
  it("accepts a sound graph", () => {
    expect(() => verifyGraph(graph)).not.toThrow();
  });

  const broken: Readonly<Record<string, readonly [Graph, RegExp]>> = {
    "a value with two producers": [{ ...graph, nodes: [matmul, matmul, exp] }, /a second one for m/],
    "an operand read before it is defined": [
      { ...graph, nodes: [exp, matmul] },
      /before they are read[\s\S]*m/,
    ],
    "a value without a type": [
      { ...graph, types: new Map([...graph.types].filter(([id]) => id !== "m")) },
      /none for m/,
    ],
    "a missing output": [{ ...graph, outputs: ["z"] }, /outputs that the graph computes[\s\S]*z/],
    "too few operands": [
      { ...graph, nodes: [{ ...matmul, inputs: ["x"] } as Node, exp] },
      /2 operands[\s\S]*1/,
    ],
    "an attribute of another op": [
      { ...graph, nodes: [matmul, { ...exp, attrs: { fn: "exp", axis: 1 } } as unknown as Node] },
      /attributes of unary only[\s\S]*axis/,
    ],
    "an attribute of the wrong kind": [
      { ...graph, nodes: [matmul, { ...exp, attrs: { fn: 3 } } as unknown as Node] },
      /attribute fn/,
    ],
    "a result of another shape": [withTypes({ m: ["n", 3] }), /m: f32\[n, 2\][\s\S]*f32\[n, 3\]/],
    "a constant of another type": [
      withTypes({ w: [2, 4] }),
      /constant w[\s\S]*f32\[4, 2\][\s\S]*f32\[2, 4\]/,
    ],
    "a constant without all of its bytes": [
      {
        ...graph,
        constants: new Map([
          ["w", { dtype: "f32", shape: [4, 2], source: { kind: "inline", bytes: new Uint8Array(31) } }],
        ]),
      },
      /32 bytes[\s\S]*31 bytes/,
    ],
  };

  it.each(Object.keys(broken))("finds %s", (name) => {
    const [candidate, message] = broken[name] ?? [graph, /never/];
    expect(() => verifyGraph(candidate)).toThrow(message);
  });

  it("checks subgraphs, which see the values around them", () => {
    const text = (inner: string) => `graph "g" {
      input %c: bool[]
      input %x: f32[n]
      %y: f32[n] = if(%c) {"thenBranch": graph "a" {
        %t: f32[n] = unary(%x) {"fn": "exp"}
        output %t
      }, "elseBranch": graph "b" {
        %e: f32[n] = unary(${inner}) {"fn": "neg"}
        output %e
      }}
      output %y
    }`;
    expect(() => verifyGraph(parseGraph(text("%x")))).not.toThrow();
    // A branch does not see the other's values.
    expect(() => verifyGraph(parseGraph(text("%t")))).toThrow(/before they are read/);
  });
});
