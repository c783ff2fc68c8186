import type { NodeOf } from "../../../ir/graph/graph.js";
import type { Lowering } from "../lowering.js";
import { columnArg, columnsOf, rowsArg, rowsOf, stored } from "../operand.js";
import { fixed, perRowOrOnce } from "../rows.js";
import type { Section } from "../rules.js";

/** Rows of int8 with a scale and a sum each. */
export const quantized: Section<"quantized"> = {
  "adaln-quantize"(l, node) {
    const x = l.input(node, 0);
    const rows = rowsOf(x.shape);
    l.launch({
      family: "adaln-quantize",
      params: { c: fixed(columnsOf(x.shape)), epsilon: node.attrs.epsilon },
      rows,
      args: [
        rowsArg(x),
        perRowOrOnce(l.input(node, 1), x),
        perRowOrOnce(l.input(node, 2), x),
        ...quantizedArgs(l, node),
      ],
    });
  },

  "quantize-rows"(l, node) {
    const q = l.output(node);
    const rows = rowsOf(q.shape);
    const c = fixed(columnsOf(q.shape));
    const sources = l.plan.scattered.get(node.inputs[0] ?? "")?.map((id) => l.operand(id));
    const parts = sources?.map(({ shape }) => fixed(columnsOf(shape)));
    const rowsOfX = sources ?? [l.input(node, 0)];
    l.launch({
      family: "quantize-rows",
      params: { c, ...(parts === undefined ? {} : { parts }), ...rowsOfX.map((x) => stored("x", x))[0] },
      rows,
      args: [...rowsOfX.map(rowsArg), ...quantizedArgs(l, node)],
    });
  },
};

function quantizedArgs(l: Lowering, node: NodeOf<"adaln-quantize"> | NodeOf<"quantize-rows">) {
  return [rowsArg(l.output(node, 0)), columnArg(l.output(node, 1)), columnArg(l.output(node, 2))];
}
