import type { Constant } from "../../ir/constant/constant.js";
import { narrowRow } from "../../ir/families/contract/narrow.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { Held } from "../../ir/ops/held.js";
import { isLinear, type Linear } from "../analysis/linears.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/** Pieces start at multiples of this many columns, which every tile of the GEMM families divides. */
const COLUMN_STEP = 256;

/**
 *   %y = linear(%x, %w)
 * becomes
 *   %y0 = linear(%x, rows 0… of %w)   %y1 = linear(%x, rows n/2… of %w)   %y = concat(%y0, %y1)
 *
 * where %w is larger than one kernel argument may be: the columns of x·Wᵀ do not depend on each other.
 */
export const splitWeights: Pass = {
  name: "split-weights",
  summary: "cuts weights that are larger than a binding of the device into several linears",
  run(graph, { options: { limits } }) {
    const edit = new GraphEditor(graph);
    for (const node of graph.nodes) {
      if (!isLinear(node)) continue;
      const rows = rowsThatFit(graph, node, limits.maxBindingBytes);
      if (rows !== undefined) putPieces(graph, edit, node, rows);
    }
    return edit.finish();
  },
};

/** Index of the weight operand. */
function weightIndex(node: Linear): number {
  return node.op === "linear" ? 1 : node.attrs.quantized ? 3 : 1;
}

/** Rows of each piece, or undefined where the weight fits. */
function rowsThatFit(graph: Graph, node: Linear, maxBytes: number): number | undefined {
  const id = node.inputs[weightIndex(node)];
  const weight = typeof id === "string" ? graph.constants.get(id) : undefined;
  const [rows = 0, inner = 0] = weight?.shape ?? [];
  // On the device a trit takes 2 bits and rows are padded to 16.
  const rowBytes = node.op === "linear" ? denseRowBytes(inner, node.attrs.held) : Math.ceil(inner / 16) * 4;
  if (rows * rowBytes <= maxBytes) return undefined;
  return Math.max(COLUMN_STEP, Math.floor(maxBytes / rowBytes / COLUMN_STEP) * COLUMN_STEP);
}

/** Bytes on the device of a row of a dense matrix. */
function denseRowBytes(k: number, held: Held | undefined): number {
  if (held === undefined) return k * 4;
  const { words, scales } = narrowRow({ k, held });
  return (words + scales) * 4;
}

function putPieces(graph: Graph, edit: GraphEditor, node: Linear, step: number): void {
  const at = weightIndex(node);
  const [output = ""] = node.outputs;
  const shape = shapeOf(graph, output);
  const columns = shape.at(-1);
  if (typeof columns !== "number") return;
  edit.at(node);
  const pieces: ValueId[] = [];
  for (let start = 0; start < columns; start += step) {
    const length = Math.min(step, columns - start);
    const part = (id: ValueId): ValueId => cutLastAxis(graph, edit, id, start, length);
    const inputs = node.inputs.map((id, i) => {
      if (id === null || i < at) return id;
      const constant = graph.constants.get(id);
      const isRowConstant = constant !== undefined && constant.shape[0] === columns;
      if (isRowConstant) return cutRows(edit, id, constant, start, length);
      return shapeOf(graph, id).at(-1) === columns ? part(id) : id;
    });
    const role = node.attrs.role === null ? null : `${node.attrs.role}.${pieces.length}`;
    const value = edit.value(`${output}.${pieces.length}`, {
      dtype: dtypeOf(graph, output),
      shape: [...shape.slice(0, -1), length],
    });
    const piece: Node =
      node.op === "linear"
        ? { ...node, inputs, outputs: [value], attrs: { ...node.attrs, role } }
        : { ...node, inputs, outputs: [value], attrs: { ...node.attrs, role } };
    edit.addNode(piece);
    pieces.push(value);
  }
  edit.put({ op: "concat", inputs: pieces, outputs: [output], attrs: { axis: shape.length - 1 } });
}

/** Rows [start, start + length) of a constant. */
export function cutRows(
  edit: GraphEditor,
  id: ValueId,
  of: Constant,
  start: number,
  length: number,
): ValueId {
  return edit.namedConstant(`${id}.${start}`, {
    dtype: of.dtype,
    shape: [length, ...of.shape.slice(1)],
    source: { kind: "rows", of, start },
  });
}

function cutLastAxis(graph: Graph, edit: GraphEditor, id: ValueId, start: number, length: number): ValueId {
  const shape = shapeOf(graph, id);
  const axis = shape.length - 1;
  const value = edit.value(`${id}.${start}`, {
    dtype: dtypeOf(graph, id),
    shape: [...shape.slice(0, -1), length],
  });
  edit.addNode({ op: "part", inputs: [id], outputs: [value], attrs: { axis, start, length } });
  return value;
}
