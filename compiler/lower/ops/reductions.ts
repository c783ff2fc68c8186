import { elementCount } from "../../../ir/dim.js";
import { plainIntsOf } from "../../rewrite/values.js";
import { intoPacked, reinterpret } from "../alias.js";
import { copy, transposed } from "../elementwise.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnArg, columnsOf, type Operand, rowsArg } from "../operand.js";
import type { Section } from "../rules.js";

/** Sums and softmax along axes. */
export const reductions: Section<"reductions"> = {
  reduce(l, node) {
    const x = l.input(node, 0);
    const out = l.output(node);
    if (x.dtype !== "f32") throw new UnsupportedOp(`a reduction of ${x.dtype}`);
    const given = node.inputs[1] == null ? [] : plainIntsOf(l.graph, node.inputs[1]);
    if (given === undefined) throw new UnsupportedOp("axes that are computed at run time");
    const rank = x.shape.length;
    const none = given.length === 0;
    if (none && node.attrs.noopWithEmptyAxes) {
      copy(l, x, out);
      return;
    }
    const axes = none ? x.shape.map((_, i) => i) : given.map((a) => (a < 0 ? a + rank : a));
    const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const sorted = [...axes].sort((a, b) => a - b);
    const moved = transposed(l, x, [...kept, ...sorted]);
    const columns = elementCount(moved.shape.slice(kept.length));
    const source =
      sorted.length === 1 ? moved : reinterpret(l, moved, [...moved.shape.slice(0, kept.length), columns]);
    const rows = elementCount(source.shape.slice(0, -1));
    intoPacked(l, out, (target) =>
      l.launch({
        family: "reduce",
        params: { fn: node.attrs.fn },
        rows,
        args: [rowsArg(source), columnArg(target)],
        scalars: [columns],
      }),
    );
  },

  softmax(l, node) {
    alongLastAxis(l, l.input(node, 0), l.output(node), node.attrs.axis, (x, out) => {
      const rows = elementCount(x.shape.slice(0, -1));
      l.launch({
        family: "softmax",
        params: { log: node.attrs.log },
        rows,
        args: [rowsArg(x), rowsArg(out)],
        scalars: [columnsOf(x.shape)],
      });
    });
  },
};

/** Runs an op of the last axis along another one. */
function alongLastAxis(
  l: Lowering,
  x: Operand,
  out: Operand,
  axis: number,
  make: (x: Operand, out: Operand) => void,
): void {
  const rank = x.shape.length;
  const at = axis < 0 ? axis + rank : axis;
  if (at === rank - 1) {
    make(x, out);
    return;
  }
  const others = x.shape.map((_, i) => i).filter((i) => i !== at);
  const moved = transposed(l, x, [...others, at]);
  const result = l.temporary(out.dtype, moved.shape);
  make(moved, result);
  const back = x.shape.map((_, i) => (i === at ? rank - 1 : others.indexOf(i)));
  copy(l, transposed(l, result, back), out);
}
