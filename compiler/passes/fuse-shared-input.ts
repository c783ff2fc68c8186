import type { Constant } from "../../ir/constant/constant.js";
import { byteLength } from "../../ir/dtype.js";
import { dtypeOf, type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { isLinear, type Linear } from "../analysis/linears.js";
import { fitsJointly } from "../analysis/row-reads.js";
import { type Uses, usesOf } from "../analysis/uses.js";
import type { Pass, PassContext } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %q = linear(%x, %wq, %bq)   %k = linear(%x, %wk, %bk)   %v = linear(%x, %wv, %bv)
 * becomes
 *   %f = linear(%x, concat(%wq, %wk, %wv), concat(%bq, %bk, %bv))
 *   %q = part(%f) {axis: 2, start: 0, …}   %k = part(%f) …   %v = part(%f) …
 *
 * [q|k|v] = x·[Wq;Wk;Wv]ᵀ: same rows, same numbers. Linears of one block and stream with one activation are
 * merged, unless the merged output or weight would be too large for the device: for a buffer, or for a binding
 * where a kernel reads one of them as a whole, as attention reads k and v.
 */
export const fuseSharedInput: Pass = {
  name: "fuse-shared-input",
  summary: "merges linears of one block that read the same value",
  run(graph, context) {
    const edit = new GraphEditor(graph);
    for (const group of findGroups(graph, context)) fuse(graph, edit, group);
    return edit.finish();
  },
};

function findGroups(graph: Graph, context: PassContext): readonly (readonly Linear[])[] {
  const byKey = new Map<string, Linear[]>();
  for (const node of graph.nodes) {
    const key = groupKey(graph, node);
    if (key === undefined || !isLinear(node)) continue;
    const group = byKey.get(key);
    if (group === undefined) byKey.set(key, [node]);
    else group.push(node);
  }
  const uses = usesOf(graph);
  return [...byKey.values()].filter((group) => group.length > 1 && fits(graph, uses, group, context));
}

/** Linears with equal keys may merge; undefined: never. */
function groupKey(graph: Graph, node: Node): string | undefined {
  if (!isLinear(node)) return undefined;
  const { role, activation, gated } = node.attrs;
  const dot = role?.lastIndexOf(".") ?? -1;
  if (role === null || dot < 0 || gated || (node.op === "ternary-linear" && node.attrs.quantized))
    return undefined;
  const weights = node.inputs.slice(1);
  if (!weights.every((id) => id === null || graph.constants.has(id))) return undefined;
  const { bias, scales } = weightOperands(node);
  const dtype = typeof weights[0] === "string" ? dtypeOf(graph, weights[0]) : "";
  // Weights of one group size, and scales of one type, which are concatenated.
  const scaled = scales === null ? [] : [dtypeOf(graph, scales), ...shapeOf(graph, scales).slice(1)];
  return [node.op, role.slice(0, dot), node.inputs[0], activation, bias === null, dtype, ...scaled].join(
    "\n",
  );
}

function weightOperands(node: Linear): {
  readonly weight: ValueId | null;
  readonly scales: ValueId | null;
  readonly bias: ValueId | null;
} {
  const [, weight = null, second = null, third = null] = node.inputs;
  return node.op === "linear"
    ? { weight, scales: null, bias: second }
    : { weight, scales: second, bias: third };
}

function outputColumns(graph: Graph, node: Linear): number {
  const { weight } = weightOperands(node);
  return weight === null ? 0 : (graph.constants.get(weight)?.shape[0] ?? 0);
}

function fits(graph: Graph, uses: Uses, group: readonly Linear[], { options }: PassContext): boolean {
  const [first] = group;
  if (first === undefined) return false;
  const columns = group.reduce((sum, node) => sum + outputColumns(graph, node), 0);
  const [output = ""] = first.outputs;
  const shape = [...shapeOf(graph, output).slice(0, -1), columns];
  const outputs = group.flatMap((node) => node.outputs);
  if (!fitsJointly(uses, outputs, shape, options)) return false;
  const { weight } = weightOperands(first);
  const inner = weight === null ? 0 : (graph.constants.get(weight)?.shape[1] ?? 0);
  const bytes =
    first.op === "linear" ? byteLength("f32", columns * inner) : byteLength("i2", columns * inner);
  return bytes <= options.limits.maxBindingBytes;
}

function fuse(graph: Graph, edit: GraphEditor, group: readonly Linear[]): void {
  const [first] = group;
  if (first === undefined) return;
  const role = fusedRole(group.map((node) => node.attrs.role ?? ""));
  const merge = (suffix: string, ids: readonly (ValueId | null)[]): ValueId | null => {
    const constants = ids.flatMap((id) => (id === null ? [] : [graph.constants.get(id)]));
    const of = constants.filter((c): c is Constant => c !== undefined);
    const [head] = of;
    if (head === undefined) return null;
    const rows = of.reduce((sum, c) => sum + (c.shape[0] ?? 0), 0);
    return edit.namedConstant(`${role}.${suffix}`, {
      dtype: head.dtype,
      shape: [rows, ...head.shape.slice(1)],
      source: { kind: "concat", of },
    });
  };
  const operands = group.map(weightOperands);
  const weight = merge(
    "weight",
    operands.map((o) => o.weight),
  );
  const scales = merge(
    "scales",
    operands.map((o) => o.scales),
  );
  const bias = merge(
    "bias",
    operands.map((o) => o.bias),
  );
  const [output = ""] = first.outputs;
  const columns = group.map((node) => outputColumns(graph, node));
  const shape = shapeOf(graph, output);
  const total = columns.reduce((a, b) => a + b, 0);
  const fused = edit.value(role, { dtype: dtypeOf(graph, output), shape: [...shape.slice(0, -1), total] });
  const [x = null] = first.inputs;
  edit.at(first);
  if (first.op === "linear") {
    edit.addNode({ ...first, inputs: [x, weight, bias], outputs: [fused], attrs: { ...first.attrs, role } });
  } else {
    const attrs = { ...first.attrs, role };
    edit.addNode({ ...first, inputs: [x, weight, scales, bias], outputs: [fused], attrs });
  }
  let start = 0;
  for (const [i, node] of group.entries()) {
    const length = columns[i] ?? 0;
    const attrs = { axis: shape.length - 1, start, length };
    edit.put({ op: "part", inputs: [fused], outputs: node.outputs, attrs }, first);
    start += length;
  }
}

/** `double.0.img.q`, `.k`, `.v` → `double.0.img.qkv`; longer names are joined by hyphens. */
export function fusedRole(roles: readonly string[]): string {
  const names = roles.map((role) => role.slice(role.lastIndexOf(".") + 1));
  const parent = roles[0]?.slice(0, roles[0].lastIndexOf(".")) ?? "";
  return `${parent}.${names.join(names.every((name) => name.length === 1) ? "" : "-")}`;
}
