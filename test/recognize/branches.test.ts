import { expect, it } from "vitest";
import { recognition } from "../../compiler/recognize/recognition.js";
import type { Graph, Node } from "../../ir/graph/graph.js";
import { buildFlux } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { importBytes, reader } from "./models.js";

/** The graph with every softmax in a branch that is always taken, as exporters guard what may be empty. */
function withBranches(graph: Graph): Graph {
  const types = new Map(graph.types).set("yes", { dtype: "bool", shape: [] });
  const constants = new Map(graph.constants).set("yes", {
    dtype: "bool",
    shape: [],
    source: { kind: "inline", bytes: Uint8Array.of(1) },
  });
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "softmax") return node;
    const branch = (name: string): Graph => {
      const output = `${node.outputs[0]}.${name}`;
      const type = graph.types.get(node.outputs[0] as string);
      if (type === undefined) throw new Error("a result without a type");
      const nodes = [{ ...node, outputs: [output] }];
      return {
        name,
        inputs: [],
        outputs: [output],
        types: new Map([[output, type]]),
        constants: new Map(),
        nodes,
      };
    };
    const attrs = { thenBranch: branch("then"), elseBranch: branch("else") };
    return { op: "if", inputs: ["yes"], outputs: node.outputs, attrs };
  });
  return { ...graph, types, constants, nodes };
}

it("attention in branches is found", () => {
  const imported = withBranches(importBytes(buildFlux(STYLES.torchscript as FluxStyle, TINY)));
  expect(imported.nodes.some(({ op }) => op === "softmax")).toBe(false);
  const { graph, stopped } = recognition(imported, reader);
  expect(stopped).toBeUndefined();
  expect(graph.model?.heads).toBe(TINY.heads);
});
