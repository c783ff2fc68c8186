import { type Dim, mulDims } from "../../ir/dim.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";
import { columnsOf, rowsOf } from "./operand.js";

/** Elements of 2 bytes in the 16 that kernels move at a time. */
const VECTOR = 8;

/**
 * The values of a FLUX transformer that are stored in bf16: what lies between two kernels that both can, such as
 * q, k, v, attention's result and the MLP's hidden rows. The residual stream, normalization statistics, modulation,
 * inputs and outputs stay in f32. Rows are whole vectors of 16 bytes, so that every window of one is aligned.
 */
export function narrowValues(graph: Graph): ReadonlySet<ValueId> {
  const groups = new Groups();
  const wide = new Set<ValueId>([...graph.inputs, ...graph.outputs, ...graph.constants.keys()]);
  for (const node of graph.nodes) {
    const { narrow } = definitionOf(node.op).traits;
    const reads = (i: number) => narrow !== null && (narrow.reads === "all" || narrow.reads.includes(i));
    for (const [i, id] of node.inputs.entries()) if (id !== null && !reads(i)) wide.add(id);
    const stores = narrow?.stores(node.attrs) === true && movesVectors(graph, node);
    for (const id of node.outputs) if (!stores || !isVectors(graph, id)) wide.add(id);
    if (narrow?.alike === true) {
      const alike = [...node.inputs.filter((_, i) => reads(i)), ...node.outputs];
      groups.join(alike.filter((id) => id !== null));
    }
  }
  const wideGroups = new Set([...wide].map((id) => groups.of(id)));
  const results = graph.nodes.flatMap((node) => node.outputs);
  return new Set(results.filter((id) => !wideGroups.has(groups.of(id))));
}

/** Rows of many tokens, each a whole number of vectors. */
function isVectors(graph: Graph, id: ValueId): boolean {
  const shape = graph.types.get(id)?.shape;
  if (shape == null || dtypeOf(graph, id) !== "f32" || rowsOf(shape) === 1) return false;
  return isMultiple(columnsOf(shape));
}

/** Whether a node that may only name elements of its operand names whole vectors. */
function movesVectors(graph: Graph, node: Node): boolean {
  const [x] = node.inputs;
  const [y] = node.outputs;
  if (node.op === "part") {
    return node.attrs.axis !== shapeOf(graph, x ?? "").length - 1 || isMultiple(node.attrs.start);
  }
  if (!definitionOf(node.op).traits.reshapes) return true;
  return typeof x === "string" && y !== undefined && sameRows(shapeOf(graph, x), shapeOf(graph, y));
}

function sameRows(from: readonly Dim[], to: readonly Dim[]): boolean {
  return columnsOf(from) === columnsOf(to) && mulDims(rowsOf(from), 1) === mulDims(rowsOf(to), 1);
}

function isMultiple(dim: Dim): boolean {
  return typeof dim === "number" && dim % VECTOR === 0;
}

/** Disjoint sets of values. */
class Groups {
  readonly #parents = new Map<ValueId, ValueId>();

  of(id: ValueId): ValueId {
    let root = id;
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root))
      root = parent;
    return root;
  }

  join(ids: readonly ValueId[]): void {
    const [first] = ids;
    if (first === undefined) return;
    for (const id of ids) {
      const [a, b] = [this.of(first), this.of(id)];
      if (a !== b) this.#parents.set(b, a);
    }
  }
}
