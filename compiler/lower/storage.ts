import { type Dim, mulDims } from "../../ir/dim.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { OpName } from "../../ir/ops/index.js";
import { columnsOf, rowsOf } from "./operand.js";

/** Elements of 2 bytes in the 16 that kernels move at a time. */
const VECTOR = 8;

/** Ops whose result is some operand's elements elsewhere: operands and results are stored alike. */
const MOVES: ReadonlySet<OpName> = new Set<OpName>([
  "part",
  "concat",
  "reshape",
  "squeeze",
  "unsqueeze",
  "flatten",
]);

/** Ops whose kernels store bf16, and the positions of the operands that they read in bf16. */
const KERNELS: Partial<Readonly<Record<OpName, readonly number[]>>> = {
  linear: [0],
  "ternary-linear": [0],
  "ternary-qkv": [0],
  adaln: [],
  "qk-norm-rope": [0],
  "rms-norm": [0],
  rope: [0],
  attention: [0, 1, 2],
  "quantize-rows": [0],
  gelu: [0],
  silu: [0],
};

/** Ops among these that take and give bf16 together or not at all. */
const ALIKE: ReadonlySet<OpName> = new Set<OpName>(["attention"]);

/**
 * The values of a FLUX transformer that are stored in bf16: what lies between two kernels that both can, such as
 * q, k, v, attention's result and the MLP's hidden rows. The residual stream, normalization statistics, modulation,
 * inputs and outputs stay in f32. Rows are whole vectors of 16 bytes, so that every window of one is aligned.
 */
export function narrowValues(graph: Graph): ReadonlySet<ValueId> {
  const groups = new Groups();
  const wide = new Set<ValueId>([...graph.inputs, ...graph.outputs, ...graph.constants.keys()]);
  for (const node of graph.nodes) {
    const reads = MOVES.has(node.op) ? node.inputs.map((_, i) => i) : (KERNELS[node.op] ?? []);
    for (const [i, id] of node.inputs.entries()) {
      if (id !== null && !reads.includes(i)) wide.add(id);
    }
    if (!canStore(node)) for (const id of node.outputs) wide.add(id);
    if (MOVES.has(node.op) || ALIKE.has(node.op)) {
      const alike = [...reads.map((i) => node.inputs[i]), ...node.outputs];
      groups.join(alike.filter((id) => typeof id === "string"));
    }
    if (MOVES.has(node.op) && !movesVectors(graph, node)) for (const id of node.outputs) wide.add(id);
    for (const id of node.outputs) if (!isVectors(graph, id)) wide.add(id);
  }
  const wideGroups = new Set([...wide].map((id) => groups.of(id)));
  const results = graph.nodes.flatMap((node) => node.outputs);
  return new Set(results.filter((id) => !wideGroups.has(groups.of(id))));
}

function canStore(node: Node): boolean {
  if (node.op === "quantize-rows") return false;
  if ((node.op === "linear" || node.op === "ternary-linear") && node.attrs.gated) return false;
  return MOVES.has(node.op) || KERNELS[node.op] !== undefined;
}

/** Rows of many tokens, each a whole number of vectors. */
function isVectors(graph: Graph, id: ValueId): boolean {
  const shape = graph.types.get(id)?.shape;
  if (shape == null || dtypeOf(graph, id) !== "f32" || rowsOf(shape) === 1) return false;
  return isMultiple(columnsOf(shape));
}

function movesVectors(graph: Graph, node: Node): boolean {
  if (node.op === "part") {
    const shape = shapeOf(graph, node.inputs[0] ?? "");
    return node.attrs.axis !== shape.length - 1 || isMultiple(node.attrs.start);
  }
  if (node.op === "concat") return true;
  const [x] = node.inputs;
  const [y] = node.outputs;
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
