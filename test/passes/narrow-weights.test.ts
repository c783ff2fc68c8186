import { describe, expect, it } from "vitest";
import { UNLIMITED } from "../../compiler/pass.js";
import { narrowWeights } from "../../compiler/passes/narrow-weights.js";
import { splitTables } from "../../compiler/passes/split-tables.js";
import { splitWeights } from "../../compiler/passes/split-weights.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { HELD } from "../../ir/ops/held.js";
import type { Tensor } from "../../ir/tensor.js";
import { READER } from "../interpret/run-op.js";
import { relativeError } from "../support/run-compiled.js";
import { PASS_OPTIONS, TEXT_GRAPH, textInputs } from "../support/text-graph.js";

function narrow(graph: Graph, weights: "f32" | "bf16" | "int8" | "int4", limits = UNLIMITED): Graph {
  const context = { reader: READER, options: { ...PASS_OPTIONS, weights, limits } };
  const passes = [narrowWeights, splitWeights, splitTables];
  const changed = passes.reduce((before, pass) => pass.run(before, context), graph);
  verifyGraph(changed);
  expect(printGraph(parseGraph(printGraph(changed)))).toBe(printGraph(changed));
  return changed;
}

const valuesOf = (graph: Graph): Tensor =>
  interpret(graph, textInputs(9), { reader: READER }).get("y") as Tensor;

describe("narrow-weights", () => {
  it("leaves a graph as it is unless told otherwise", () => {
    expect(printGraph(narrow(TEXT_GRAPH, "f32"))).toBe(printGraph(TEXT_GRAPH));
  });

  // Of a weight bf16 loses 0.2%, int8 0.6%, int4 some 8%; here are five, and a softmax.
  it.each([
    ["bf16", 0.01],
    ["int8", 0.03],
    ["int4", 0.4],
  ] as const)("holds linears and tables in %s, close to what they were", (weights, most) => {
    const graph = narrow(TEXT_GRAPH, weights);
    const held = graph.nodes.map(({ attrs }) => ("held" in attrs ? attrs.held : undefined));
    expect(held.filter((form) => form === weights)).toHaveLength(weights === "bf16" ? 6 : 5);
    // Rows of 20 are no whole groups.
    expect(held.filter((form) => form === "bf16")).toHaveLength(weights === "bf16" ? 6 : 1);
    const error = relativeError(valuesOf(graph), valuesOf(TEXT_GRAPH));
    expect(error).toBeLessThan(most);
    expect(error).toBeGreaterThan(most / 10);
  });

  it.each(HELD)("leaves what is %s already, to the bit", (weights) => {
    const once = narrow(TEXT_GRAPH, weights);
    const twice = narrow(once, weights);
    expect([...twice.constants]).toEqual([...once.constants]);
  });

  it("cuts what no binding holds by what it takes in its form", () => {
    const limits = { ...UNLIMITED, maxBindingBytes: 50 * 64 * 4 };
    const wide = narrow(TEXT_GRAPH, "f32", limits);
    const tight = narrow(TEXT_GRAPH, "int8", limits);
    const lookups = ({ nodes }: Graph) => nodes.filter(({ op }) => op === "gather").length;
    expect([lookups(TEXT_GRAPH), lookups(wide), lookups(tight)]).toEqual([1, 6, 2]);
    expect(valuesOf(wide)).toEqual(valuesOf(TEXT_GRAPH));
    expect(valuesOf(tight)).toEqual(valuesOf(narrow(TEXT_GRAPH, "int8")));
  });
});
