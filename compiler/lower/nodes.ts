import { TritcError } from "../../ir/errors.js";
import type { Graph, Node } from "../../ir/graph/graph.js";
import { type Lowering, UnsupportedOp } from "./lowering.js";
import { ruleFor } from "./ops/index.js";

interface Problem {
  readonly node: Node;
  readonly reason: string;
}

/** What can be told of a node before anything is placed. */
function problemOf(graph: Graph, node: Node): readonly Problem[] {
  if (ruleFor(node) === undefined) return [{ node, reason: "no kernel family computes it" }];
  return shapeProblemOf(graph, node);
}

function shapeProblemOf(graph: Graph, node: Node): readonly Problem[] {
  const unknown = [...node.inputs, ...node.outputs].some(
    (id) => id !== null && graph.types.get(id)?.shape == null,
  );
  return unknown ? [{ node, reason: "a shape that depends on values computed at run time" }] : [];
}

/**
 * What passes and lowering take for granted. Throws TRITC_E_SHAPE for an input without a shape, and
 * TRITC_E_UNSUPPORTED_OP for the nodes whose shapes do not follow from those of the inputs.
 */
export function requireShapes(graph: Graph): void {
  const input = graph.inputs.find((id) => graph.types.get(id)?.shape == null);
  if (input !== undefined) {
    throw new TritcError({
      code: "TRITC_E_SHAPE",
      message: "the model does not say the shape of this input, and kernels are made for known ranks",
      place: `input ${input}`,
      expected: "a number or a name for each axis",
      found: "no shape",
      remedy: "export the model with shapes (axes may be dynamic); `tritc eval` runs the model as it is",
    });
  }
  refuse(
    graph,
    graph.nodes.flatMap((node) => shapeProblemOf(graph, node)),
  );
}

/** Throws TRITC_E_UNSUPPORTED_OP naming every op of which it is known beforehand that no kernel family computes it. */
export function requireKernels(graph: Graph): void {
  refuse(
    graph,
    graph.nodes.flatMap((node) => problemOf(graph, node)),
  );
}

/** Launches for every node of the graph. Throws TRITC_E_UNSUPPORTED_OP naming those that no kernel family computes. */
export function lowerNodes(lowering: Lowering): void {
  const problems: Problem[] = [];
  for (const node of lowering.graph.nodes) {
    const rule = ruleFor(node);
    if (rule === undefined) continue;
    try {
      lowering.at(node, () => rule(lowering));
    } catch (error) {
      if (!(error instanceof UnsupportedOp)) throw error;
      problems.push({ node, reason: error.message });
    }
  }
  refuse(lowering.graph, problems);
}

/** One error for all of a model's problems. */
function refuse(graph: Graph, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ node, reason }) => `${node.op} ${node.name ?? node.outputs[0]}: ${reason}`);
  throw new TritcError({
    code: "TRITC_E_UNSUPPORTED_OP",
    message: `${problems.length} operations have no kernels`,
    place: graph.name,
    found: lines.slice(0, 40).join("; "),
    remedy: "`tritc eval` on the ONNX file runs them in the interpreter",
  });
}
