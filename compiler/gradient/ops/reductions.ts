import type { Shape } from "../../../ir/dim.js";
import { divDims, elementCount } from "../../../ir/dim.js";
import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { plainIntsOf } from "../../rewrite/values.js";
import type { Builder } from "../builder.js";
import { operand, result, type Section } from "../rules.js";

/** Sums and softmax along axes. */
export const reductions: Section<"reductions"> = {
  reduce(b, node, [g]) {
    const x = operand(node, 0);
    const kept = keptShape(b, node);
    if (kept === undefined) return [null];
    const shape = b.shape(x);
    const spread = b.expand(b.reshape(g, kept), shape);
    switch (node.attrs.fn) {
      case "sum":
        return [spread];
      case "sum-square":
        return [b.mul(b.mul(2, x), spread)];
      case "mean": {
        const count = divDims(elementCount(shape), elementCount(kept));
        return [typeof count === "number" ? b.mul(spread, 1 / count) : null];
      }
      // Entries that are equally large share it.
      case "max":
      case "min": {
        const isOne = b.binary("equal", x, b.reshape(result(node), kept));
        const chosen = b.editor.add("cast", [isOne], { to: b.editor.type(x).dtype });
        const axes = shape.flatMap((size, axis) => (size === kept[axis] ? [] : [axis]));
        return [b.mul(spread, b.div(chosen, b.reduce("sum", chosen, axes)))];
      }
      default:
        return [null];
    }
  },

  /** y = softmax(x): dx = y·(dy − Σ dy·y); its logarithm: dx = dy − e^y·Σ dy */
  softmax(b, node, [g]) {
    const y = result(node);
    const axes = [node.attrs.axis < 0 ? node.attrs.axis + b.rank(y) : node.attrs.axis];
    if (node.attrs.log) return [b.sub(g, b.mul(b.unary("exp", y), b.reduce("sum", g, axes)))];
    return [b.mul(y, b.sub(g, b.reduce("sum", b.mul(g, y), axes)))];
  },
};

/** The operand's shape with 1 along the axes that are reduced; undefined where they are computed at run time. */
function keptShape(b: Builder, node: NodeOf<"reduce">): Shape | undefined {
  const shape = b.shape(operand(node, 0));
  const axes: ValueId | null | undefined = node.inputs[1];
  const given = axes == null ? [] : plainIntsOf(b.editor, axes);
  if (given === undefined) return undefined;
  if (given.length === 0) return node.attrs.noopWithEmptyAxes ? shape : shape.map(() => 1);
  const reduced = new Set(given.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
}
