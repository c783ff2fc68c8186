import { addDims, type Dim } from "../../ir/dim.js";
import { dtypeOf, type Graph, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { producersOf, usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %n = rms-norm(%x, %w) {group: D}      %y = rope(%n, %cos, %sin)
 * becomes
 *   %y = qk-norm-rope(%x, %w, %cos, %sin)
 * and, because a rotation is per token, through a concatenation along tokens:
 *   %a = rms-norm(%p, %v)   %b = rms-norm(%q, %w)   %c = concat(%a, %b)   %y = rope(%c, %cos, %sin)
 * becomes
 *   %a' = qk-norm-rope(%p, %v, cos rows of p, sin rows of p)   %b' = …   %y = concat(%a', %b')
 */
export const fuseQkNormRope: Pass = {
  name: "fuse-qk-norm-rope",
  summary: "makes the RMS norm of q or k and its rotary embedding one op",
  run(graph) {
    const uses = usesOf(graph);
    const producers = producersOf(graph);
    const edit = new GraphEditor(graph);
    const parts = new Map<string, ValueId>();

    /** Rows of a rope table; cut once for all blocks. */
    const rowsOf = (table: ValueId, start: Dim, length: Dim): ValueId => {
      const key = `${table}\n${start}\n${length}`;
      const known = parts.get(key);
      if (known !== undefined) return known;
      const shape = shapeOf(graph, table);
      const axis = shape.length - 2;
      const value = edit.value(`${table}.rows`, {
        dtype: dtypeOf(graph, table),
        shape: shape.map((d, i) => (i === axis ? length : d)),
      });
      edit.addNode({ op: "part", inputs: [table], outputs: [value], attrs: { axis, start, length } });
      parts.set(key, value);
      return value;
    };

    const normOf = (id: ValueId | null | undefined, headDim: number): NodeOf<"rms-norm"> | undefined => {
      if (typeof id !== "string" || !usedOnce(uses, id)) return undefined;
      const node = producers.get(id);
      return node?.op === "rms-norm" && isPerHead(graph, node, headDim) ? node : undefined;
    };

    for (const node of graph.nodes) {
      const [x, cos, sin] = node.inputs;
      if (node.op !== "rope" || typeof x !== "string" || typeof cos !== "string" || typeof sin !== "string") {
        continue;
      }
      edit.at(node);
      const { headDim } = node.attrs;
      const fused = (
        norm: NodeOf<"rms-norm">,
        output: ValueId,
        c: ValueId,
        s: ValueId,
      ): NodeOf<"qk-norm-rope"> => ({
        op: "qk-norm-rope",
        inputs: [norm.inputs[0] ?? null, norm.inputs[1] ?? null, c, s],
        outputs: [output],
        attrs: { headDim, epsilon: norm.attrs.epsilon },
      });
      const [output = ""] = node.outputs;
      const direct = normOf(x, headDim);
      if (direct !== undefined) {
        edit.put(fused(direct, output, cos, sin));
        continue;
      }
      const concat = usedOnce(uses, x) ? producers.get(x) : undefined;
      const norms = concat?.op === "concat" ? concat.inputs.map((id) => normOf(id, headDim)) : [];
      const rank = shapeOf(graph, x).length;
      if (concat?.op !== "concat" || concat.attrs.axis !== rank - 2 || norms.includes(undefined)) continue;
      let start: Dim = 0;
      const rotated: ValueId[] = [];
      for (const [i, norm] of norms.entries()) {
        const operand = concat.inputs[i];
        if (norm === undefined || typeof operand !== "string") continue;
        const shape = shapeOf(graph, operand);
        const length = shape[rank - 2] ?? 1;
        const value = edit.value(`${operand}.rope`, { dtype: dtypeOf(graph, operand), shape });
        edit.addNode(fused(norm, value, rowsOf(cos, start, length), rowsOf(sin, start, length)));
        rotated.push(value);
        start = addDims(start, length);
      }
      edit.put({ ...concat, inputs: rotated, outputs: [output] });
    }
    return edit.finish();
  },
};

function isPerHead(graph: Graph, norm: NodeOf<"rms-norm">, headDim: number): boolean {
  const { axis, group } = norm.attrs;
  const x = norm.inputs[0];
  if (typeof x !== "string") return false;
  const shape = shapeOf(graph, x);
  const width = group === 0 ? shape.at(-1) : group;
  return width === headDim && (axis === -1 || axis === shape.length - 1);
}
