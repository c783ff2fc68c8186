import { type Dim, symbolsOf } from "../../ir/dim.js";
import { type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { type InputRole, inputOf } from "../../ir/models/index.js";
import { type Described, OtherFamily, Unrecognized } from "../models/family.js";
import { MODEL_FAMILIES } from "../models/index.js";
import type { Pass } from "../pass.js";
import { renameSymbols } from "../rewrite/rename-symbols.js";

/**
 *     %q = linear[role=null] %m, %w   ⇒   %q = linear[role="double.3.img.q"] %m, %w
 *
 * Finds inputs, blocks and sizes of a transformer of a known family from its dataflow, and calls the token dimensions
 * `img_tokens` and `txt_tokens`. A graph that is something else stays as it is, without a description.
 */
export const describeModel: Pass = {
  name: "describe-model",
  summary: "finds inputs, blocks and sizes of a FLUX transformer; gives linears their roles",
  run(graph: Graph): Graph {
    const found = attempt(graph);
    if (found instanceof Unrecognized) return graph;
    const nodes = graph.nodes.map((node): Node => {
      const role = found.roles.get(node.outputs[0] ?? "");
      return node.op === "linear" && role !== undefined ? { ...node, attrs: { ...node.attrs, role } } : node;
    });
    return renameSymbols({ ...graph, nodes, model: found.model }, tokenSymbols(graph, found.model.roles));
  },
};

/** Where the recognition of a graph stops; undefined if it does not. */
export function whyUnrecognized(graph: Graph): Unrecognized | undefined {
  const found = attempt(graph);
  return found instanceof Unrecognized ? found : undefined;
}

/** The first family's description, or where the first family stopped that the graph is not plainly outside of. */
function attempt(graph: Graph): Described | Unrecognized {
  let stopped: Unrecognized | undefined;
  for (const family of MODEL_FAMILIES) {
    try {
      return family.describe(graph);
    } catch (error) {
      if (!(error instanceof Unrecognized)) throw error;
      if (stopped === undefined || stopped instanceof OtherFamily) stopped = error;
    }
  }
  return stopped as Unrecognized;
}

/** Symbols of the source that stand for token counts → their names here. */
function tokenSymbols(graph: Graph, roles: Readonly<Record<ValueId, InputRole>>): Record<string, Dim> {
  const replacements: Record<string, Dim> = {};
  for (const [input, role] of Object.entries(roles)) {
    const dim = shapeOf(graph, input).at(-2);
    const name = inputOf(role).tokens;
    if (name !== null && typeof dim === "string" && symbolsOf(dim)[0] === dim) replacements[dim] = name;
  }
  return replacements;
}
