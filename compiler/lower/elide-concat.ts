import { addDims, type Dim, mulDims, type Shape } from "../../ir/dim.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { definitionOf } from "../../ir/ops/index.js";
import type { Placement } from "../analysis/step-invariant.js";
import { producersOf } from "../analysis/uses.js";
import { columnsOf, rowsOf } from "./operand.js";

/** A value that is a window of another value's memory, with that value's row stride. */
export interface Window {
  readonly of: ValueId;
  readonly rowOffset: Dim;
  readonly columnOffset: Dim;
}

/**
 * `elide-concat`: text and image tokens, and attention and MLP channels, are neighbours in one buffer, so
 * that `concat` and `part` become offsets instead of copies.
 *
 *   %c: f32[1, txt+img, C] = concat(%a, %b) {axis: 1}   → %a at row 0 of %c, %b at row txt
 *   %c: f32[1, T, A+B] = concat(%a, %b) {axis: 2}       → %a at column 0 of %c, %b at column A
 *   %p = part(%x) {axis: 2, start: s}                   → column s of %x
 *
 * An operand of a concat is not placed in it if it is a graph input, output or constant, is a window already,
 * or if its producer reads another window of the same buffer: a kernel never reads and writes one buffer.
 *
 * @param scattered concats that have no memory of their own
 */
export function elideConcat(
  graph: Graph,
  placements: ReadonlyMap<ValueId, Placement>,
  scattered: ReadonlyMap<ValueId, unknown> = new Map(),
): ReadonlyMap<ValueId, Window> {
  const windows = new Map<ValueId, Window>();
  const producers = producersOf(graph);
  const outputs = new Set(graph.outputs);
  const perStep = (id: ValueId) => placements.get(id)?.perStep === true;

  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    const [x] = node.inputs;
    if (typeof x !== "string" || outputs.has(output) || perStep(x) !== perStep(output)) continue;
    if (node.op === "part") {
      const at = windowAt(shapeOf(graph, x), node.attrs.axis, node.attrs.start, perStep(x));
      if (at !== undefined) windows.set(output, { of: x, ...at });
    } else if (isSameRows(graph, node)) {
      windows.set(output, { of: x, rowOffset: 0, columnOffset: 0 });
    }
  }

  const place = (id: ValueId, window: Window): void => {
    const producer = producers.get(id);
    if (producer === undefined || outputs.has(id) || perStep(id) !== perStep(window.of)) return;
    const alias = windows.get(id);
    if (alias === undefined) windows.set(id, window);
    // A reshape that keeps rows: what it reads may be placed instead, if it is all of that value.
    else if (isSameRows(graph, producer)) place(alias.of, window);
  };

  // Outer concats first, so that a nested one lands in the outer one's buffer with all its operands.
  for (const node of graph.nodes.toReversed()) {
    const [output = ""] = node.outputs;
    if (node.op !== "concat" || scattered.has(output)) continue;
    const seen = new Set<ValueId | null>();
    const twice = new Set(node.inputs.filter((id) => seen.size === seen.add(id).size));
    let start: Dim = 0;
    for (const id of node.inputs) {
      if (id === null) continue;
      const at = windowAt(shapeOf(graph, output), node.attrs.axis, start, perStep(output));
      const sameType = dtypeOf(graph, id) === dtypeOf(graph, output);
      if (at !== undefined && !twice.has(id) && sameType) place(id, { of: output, ...at });
      start = addDims(start, shapeOf(graph, id)[node.attrs.axis] ?? 1);
    }
  }

  for (const node of graph.nodes) {
    if (isSameRows(graph, node) || node.op === "part" || node.op === "concat") continue;
    const read = new Set(node.inputs.map((id) => (id === null ? null : rootOf(windows, id))));
    for (const id of node.outputs) if (read.has(rootOf(windows, id))) windows.delete(id);
  }
  return windows;
}

/** The value whose buffer holds this one. */
export function rootOf(windows: ReadonlyMap<ValueId, Window>, id: ValueId): ValueId {
  let root = id;
  for (let window = windows.get(root); window !== undefined; window = windows.get(root)) root = window.of;
  return root;
}

/** Where a part of an axis begins, or undefined if it is not a window: rows of it would not be evenly spaced. */
function windowAt(
  shape: Shape,
  axis: number,
  start: Dim,
  perStep: boolean,
): { readonly rowOffset: Dim; readonly columnOffset: Dim } | undefined {
  if (axis === shape.length - 1) return { rowOffset: 0, columnOffset: start };
  if (perStep || shape.slice(0, axis).some((d) => d !== 1)) return undefined;
  const rows = shape.slice(axis + 1, -1).reduce<Dim>(mulDims, 1);
  return { rowOffset: mulDims(start, rows), columnOffset: 0 };
}

/** A reshape that leaves the last axis and the number of rows as they are. */
function isSameRows(graph: Graph, node: Node): boolean {
  const [x] = node.inputs;
  const [y] = node.outputs;
  if (!definitionOf(node.op).traits.reshapes || typeof x !== "string" || y === undefined) return false;
  const from = shapeOf(graph, x);
  const to = shapeOf(graph, y);
  return columnsOf(from) === columnsOf(to) && rowsOf(from) === rowsOf(to);
}
