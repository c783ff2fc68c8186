import { elementCount } from "../../../ir/dim.js";
import { reinterpret } from "../alias.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnsOf, type Operand, rowsArg, rowsOf, stored } from "../operand.js";
import { fixed, headsOf, wholeVector } from "../rows.js";
import type { Section } from "../rules.js";

/** Rows brought to mean 0 or square mean 1. */
export const norms: Section<"norms"> = {
  "layer-norm"(l, node) {
    const scale = l.optional(node, 1);
    const bias = l.optional(node, 2);
    const x = rowsFromAxis(l, l.input(node, 0), node.attrs.axis);
    const out = outputRows(l.output(node), x);
    const c = fixed(columnsOf(x.shape));
    const { epsilon } = node.attrs;
    l.launch({
      family: "layer-norm",
      params: { c, epsilon, scale: scale !== null, bias: bias !== null },
      rows: rowsOf(x.shape),
      args: [rowsArg(x), ...wholeVector(scale, c), ...wholeVector(bias, c), rowsArg(out)],
    });
  },

  "rms-norm"(l, node) {
    const weight = l.optional(node, 1);
    const x = rowsFromAxis(l, l.input(node, 0), node.attrs.axis);
    const out = outputRows(l.output(node), x);
    const c = fixed(columnsOf(x.shape));
    const headDim = node.attrs.group === 0 ? c : node.attrs.group;
    l.launch({
      family: "qk-norm-rope",
      params: {
        heads: headsOf(c, headDim),
        headDim,
        norm: true,
        epsilon: node.attrs.epsilon,
        weight: weight !== null,
        rope: false,
        ...stored("x", x),
        ...stored("out", out),
      },
      rows: rowsOf(x.shape),
      args: [rowsArg(x), ...wholeVector(weight, headDim), rowsArg(out)],
    });
  },
};

/** The operand with the axes from `axis` on as one row. */
function rowsFromAxis(l: Lowering, x: Operand, axis: number): Operand {
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (at === x.shape.length - 1) return x;
  return reinterpret(l, x, [...x.shape.slice(0, at), elementCount(x.shape.slice(at))]);
}

/** The result of a row op under the shape its input was given. */
function outputRows(out: Operand, x: Operand): Operand {
  if (columnsOf(out.shape) === columnsOf(x.shape)) return out;
  if (out.rowStride !== columnsOf(out.shape)) throw new UnsupportedOp("a result with gaps between its rows");
  return { ...out, shape: x.shape, rowStride: columnsOf(x.shape) };
}
