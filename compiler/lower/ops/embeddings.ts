import { elementCount } from "../../../ir/dim.js";
import { cast, input } from "../../../ir/families/expression.js";
import { launchElementwise } from "../elementwise.js";
import type { Lowering } from "../lowering.js";
import { columnArg, type Operand, rowsArg, rowsOf } from "../operand.js";
import type { Section } from "../rules.js";

/** Sines and cosines of positions and times. */
export const embeddings: Section<"embeddings"> = {
  "rope-table"(l, node) {
    const ids = asFloat(l, l.input(node, 0));
    const rows = rowsOf(ids.shape);
    l.launch({
      family: "rope-table",
      params: node.attrs,
      rows,
      args: [rowsArg(ids), rowsArg(l.output(node, 0)), rowsArg(l.output(node, 1))],
    });
  },

  "timestep-embedding"(l, node) {
    const t = asFloat(l, l.input(node, 0));
    const rows = elementCount(t.shape);
    l.launch({
      family: "timestep-embedding",
      params: node.attrs,
      rows,
      args: [columnArg(t), rowsArg(l.output(node))],
    });
  },
};

function asFloat(l: Lowering, operand: Operand): Operand {
  if (operand.dtype === "f32") return operand;
  const out = l.temporary("f32", operand.shape);
  launchElementwise(l, cast("f32", input(0)), [operand], out);
  return out;
}
