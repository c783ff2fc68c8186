import type { Constant } from "../../ir/constant/constant.js";
import type { Node, ValueId } from "../../ir/graph/graph.js";
import { ForwardEditor } from "../graph/forward-editor.js";
import { rowsOf } from "../graph/rows-of.js";
import { planLora, type RowUpdate } from "../lora/plan.js";
import type { Pass } from "../pass.js";

/**
 *   %y = linear(%x, %w, %b) {role: "double.0.img.q"}
 * becomes
 *   const %w.lora = low-rank(%w, up, down, scale)
 *   %y = linear(%x, %w.lora, %b) {role: "double.0.img.q"}
 *
 * for every linear that `options.lora` has an update of: W' = W + scale·(up · down), evaluated when rows are read. Where
 * an update is for some rows only (queries in a fused linear), the weight becomes a concat of rows.
 */
export const mergeLora: Pass = {
  name: "merge-lora",
  summary: "adds the updates of adapters to the weights of the linears they are for",
  run(graph, { options: { lora = [] } }) {
    if (lora.length === 0) return graph;
    const byLinear = new Map<ValueId, RowUpdate[]>();
    for (const update of planLora(graph, lora).updates) {
      const known = byLinear.get(update.linear);
      if (known === undefined) byLinear.set(update.linear, [update]);
      else known.push(update);
    }
    const edit = new ForwardEditor(graph);
    for (const node of graph.nodes) {
      const updates = byLinear.get(node.outputs[0] ?? "");
      const id = node.inputs[1];
      const weight = typeof id === "string" ? graph.constants.get(id) : undefined;
      if (updates === undefined || weight === undefined) {
        edit.emit(node);
        continue;
      }
      const merged = edit.constant(`${id}.lora`, updated(weight, updates));
      const inputs = node.inputs.map((input, i) => (i === 1 ? merged : input));
      edit.emit({ ...node, inputs } as Node);
    }
    return edit.finish();
  },
};

/** Rows between two neighbouring bounds of updates have the same updates. */
function updated(weight: Constant, updates: readonly RowUpdate[]): Constant {
  const [rows = 0] = weight.shape;
  const bounds = new Set([0, rows, ...updates.flatMap(({ start, count }) => [start, start + count])]);
  const sorted = [...bounds].sort((a, b) => a - b);
  const parts = sorted.slice(1).map((end, i) => {
    const start = sorted[i] ?? 0;
    const own = updates.filter((u) => u.start <= start && end <= u.start + u.count);
    return own.reduce<Constant>(
      (of, { up, down, scale, start: first }) => ({
        dtype: "f32",
        shape: of.shape,
        source: { kind: "low-rank", of, up: rowsOf(up, start - first, end - start), down, scale },
      }),
      rowsOf(weight, start, end - start),
    );
  });
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return { dtype: "f32", shape: weight.shape, source: { kind: "concat", of: parts } };
}
