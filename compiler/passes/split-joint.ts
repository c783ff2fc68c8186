import { type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { isLinear, type Linear } from "../analysis/linears.js";
import { fitsJointly } from "../analysis/row-reads.js";
import { type Uses, usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass, PassOptions } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { cutRows } from "./split-weights.js";

type Part = NodeOf<"part">;

/**
 *   %f = linear(%x, %w, %b)   %q = part(%f) {axis: 2, start: 0, …}   %k = part(%f) {axis: 2, start: s, …}
 * becomes
 *   %q = linear(%x, rows 0… of %w, …)   %k = linear(%x, rows s… of %w, …)
 *
 * where %f, which some models compute q, k, v and the MLP's input in, would be too large for the device, or where a
 * part goes through an activation, which a linear of its own can apply (`fuse-epilogues`). `fuse-shared-input` joins
 * the others again.
 */
export const splitJoint: Pass = {
  name: "split-joint",
  summary: "cuts linears whose joint result is too large for the device or has parts with an activation",
  run(graph, { options }) {
    // A part may itself be cut into parts.
    for (let current = graph; ; ) {
      const joint = findJoint(current, options);
      if (joint.size === 0) return current;
      current = split(current, joint);
    }
  },
};

/** Linears to cut with the parts that replace them. */
function findJoint(graph: Graph, options: PassOptions): ReadonlyMap<Linear, readonly Part[]> {
  const uses = usesOf(graph);
  const found = new Map<Linear, readonly Part[]>();
  for (const node of graph.nodes) {
    if (!isPlainLinear(graph, node)) continue;
    const parts = partsOf(graph, uses, node);
    if (parts === undefined) continue;
    const [output = ""] = node.outputs;
    const values = parts.flatMap((part) => part.outputs);
    const fits = fitsJointly(uses, values, shapeOf(graph, output), options);
    if (!fits || values.some((id) => isActivated(uses, id))) found.set(node, parts);
  }
  return found;
}

/** Whether all that reads the value is an activation. */
function isActivated(uses: Uses, id: ValueId): boolean {
  const [reader] = uses.nodes.get(id) ?? [];
  return usedOnce(uses, id) && (reader?.op === "gelu" || reader?.op === "silu");
}

function isPlainLinear(graph: Graph, node: Node): node is Linear {
  if (!isLinear(node)) return false;
  if (node.attrs.gated || (node.op === "ternary-linear" && node.attrs.quantized)) return false;
  return node.inputs.slice(1).every((id) => id === null || graph.constants.has(id));
}

/** The readers of a linear if all of them are disjoint parts of its columns, and no part is all of it. */
function partsOf(graph: Graph, uses: Uses, node: Linear): readonly Part[] | undefined {
  const [output = ""] = node.outputs;
  const shape = shapeOf(graph, output);
  const readers = uses.nodes.get(output) ?? [];
  const parts = readers.filter((reader): reader is Part => reader.op === "part");
  if (parts.length < 1 || parts.length < readers.length || uses.outputs.has(output)) return undefined;
  const bounds = parts.map(({ attrs: { axis, start, length } }) => ({ axis, start, length }));
  let end = 0;
  for (const { axis, start, length } of bounds.toSorted((a, b) => Number(a.start) - Number(b.start))) {
    if (axis !== shape.length - 1 || typeof start !== "number" || typeof length !== "number")
      return undefined;
    if (start < end || length === shape.at(-1)) return undefined;
    end = start + length;
  }
  return parts;
}

function split(graph: Graph, joint: ReadonlyMap<Linear, readonly Part[]>): Graph {
  const edit = new GraphEditor(graph);
  for (const [node, parts] of joint) {
    for (const [i, part] of parts.entries()) putPiece(graph, edit, node, part, i);
  }
  return edit.finish();
}

function putPiece(graph: Graph, edit: GraphEditor, node: Linear, part: Part, index: number): void {
  const { start, length } = part.attrs;
  if (typeof start !== "number" || typeof length !== "number") return;
  const inputs = node.inputs.map((id, i): ValueId | null => {
    const constant = id === null || i === 0 ? undefined : graph.constants.get(id);
    return id === null || constant === undefined ? id : cutRows(edit, id, constant, start, length);
  });
  const role = node.attrs.role === null ? null : `${node.attrs.role}.${index}`;
  const { outputs } = part;
  // Spelled twice: TypeScript does not keep the operation and its attributes together across a spread.
  if (node.op === "linear") edit.put({ ...node, inputs, outputs, attrs: { ...node.attrs, role } }, node);
  else edit.put({ ...node, inputs, outputs, attrs: { ...node.attrs, role } }, node);
}
