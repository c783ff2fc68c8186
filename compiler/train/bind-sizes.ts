import type { Shape } from "../../ir/dim.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph, Node, ValueId, ValueType } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";
import { inferNode } from "../../ir/ops/infer.js";
import { inSingle } from "../rewrite/in-single.js";
import { renameSymbols } from "../rewrite/rename-symbols.js";
import { intsOf, numbersOf } from "../rewrite/values.js";

export interface Sizes {
  /** Samples of a batch. */
  readonly batch: number;
  /** Of each symbol of the graph. */
  readonly symbols: Readonly<Record<string, number>>;
}

/**
 * A recognized graph, which is for one sample, for a batch of them: with all its sizes known and all its floats f32, as it is
 * trained. Samples do not mix in it, so nothing but types changes.
 *
 * @param batchAxes of the inputs; see `batchAxesOf`
 * Throws TRITC_E_GRADIENT naming an operation of which it is not known that it keeps samples apart.
 */
export function bindSizes(
  recognized: Graph,
  batchAxes: ReadonlyMap<ValueId, number | null>,
  { batch, symbols }: Sizes,
): Graph {
  const graph = inSingle(renameSymbols(recognized, symbols));
  const types = new Map<ValueId, ValueType>(graph.types);
  for (const id of graph.inputs) {
    const axis = batchAxes.get(id) ?? null;
    const type = types.get(id);
    if (axis !== null && type?.shape != null)
      types.set(id, { ...type, shape: withBatch(type.shape, axis, batch) });
  }
  const source = {
    types,
    ints: (id: ValueId) => intsOf(graph, id),
    numbers: (id: ValueId) => numbersOf(graph, id),
  };
  for (const node of graph.nodes) {
    requireApart(graph, node);
    for (const [i, type] of inferNode(node, source).entries()) types.set(node.outputs[i] ?? "", type);
  }
  return { ...graph, types };
}

function withBatch(shape: Shape, axis: number, batch: number): Shape {
  return shape.map((size, i) => (i === axis && size === 1 ? batch : size));
}

function requireApart(graph: Graph, { op, inputs: [x], attrs, outputs, name }: Node): void {
  const shape = typeof x === "string" ? graph.types.get(x)?.shape : undefined;
  if (shape != null && definitionOf(op).traits.perSample(attrs, shape)) return;
  throw new TritcError({
    code: "TRITC_E_GRADIENT",
    message: "the model has an operation that may mix the samples of a batch",
    place: name ?? outputs[0] ?? op,
    expected: "operations of a recognized transformer",
    found: op,
    remedy: "`tritc inspect` says what was not recognized; train the model as its authors export it",
  });
}
