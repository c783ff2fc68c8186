import { elementCount } from "../../../ir/dim.js";
import { MOMENT_PARTS } from "../../../ir/families/channel-moments.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import { reinterpret } from "../alias.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnsOf, type Operand, rowsArg, rowsOf, stored } from "../operand.js";
import { fixed, headsOf, wholeVector } from "../rows.js";
import type { Section } from "../rules.js";

/** Values brought to mean 0 or square mean 1. */
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

  "group-norm-rows": lowerGroupNormRows,

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

/** Statistics of all rows in parts, then of groups, then the rows. */
function lowerGroupNormRows(l: Lowering, node: NodeOf<"group-norm-rows">): void {
  const [x, scale, bias, out] = [l.input(node, 0), l.input(node, 1), l.input(node, 2), l.output(node)];
  const { groups, epsilon, activation } = node.attrs;
  if (x.shape[0] !== 1) throw new UnsupportedOp("group norm of a batch");
  const c = fixed(columnsOf(x.shape));
  const channels = headsOf(c, groups);
  const rows = rowsOf(x.shape);
  const [moments, mean, factor] = [[MOMENT_PARTS, 2 * c], [c], [c]].map((shape) => l.temporary("f32", shape));
  if (moments === undefined || mean === undefined || factor === undefined) throw new RangeError("no memory");
  l.launch({
    family: "channel-moments",
    params: { c, parts: MOMENT_PARTS },
    rows: MOMENT_PARTS,
    args: [rowsArg(x), rowsArg(moments)],
    scalars: [rows, 0],
  });
  const ofGroup = (vector: Operand) => ({ ...rowsArg(vector), rowStride: channels });
  l.launch({
    family: "group-factors",
    params: { groups, channels, parts: MOMENT_PARTS, epsilon },
    rows: groups,
    args: [rowsArg(moments), ofGroup(scale), ofGroup(mean), ofGroup(factor)],
    scalars: [rows],
  });
  l.launch({
    family: "group-norm",
    params: { c, activation },
    rows,
    args: [rowsArg(x), ...[mean, factor, bias].flatMap((vector) => wholeVector(vector, c)), rowsArg(out)],
  });
}

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
