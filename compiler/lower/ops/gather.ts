import { elementCount } from "../../../ir/dim.js";
import { intoPacked, packed, reinterpret } from "../alias.js";
import { copy, transposed } from "../elementwise.js";
import { UnsupportedOp } from "../lowering.js";
import { columnArg, type Operand, rowsArg } from "../operand.js";
import { fixed } from "../rows.js";
import type { Section } from "../rules.js";

/** Lookups by index. */
export const gather: Section<"gather"> = {
  gather(l, node) {
    const table = l.input(node, 0);
    const indices = packed(l, l.input(node, 1));
    const rank = table.shape.length;
    const axis = node.attrs.axis < 0 ? node.attrs.axis + rank : node.attrs.axis;
    if (indices.dtype !== "i32") throw new UnsupportedOp(`indices of type ${indices.dtype}`);
    const others = table.shape.map((_, i) => i).filter((i) => i !== axis);
    const rest = others.map((i) => table.shape[i] ?? 1);
    const c = fixed(elementCount(rest));
    const size = table.shape[axis] ?? 1;
    const source = reinterpret(l, transposed(l, table, [axis, ...others]), [size, c]);
    const out = l.output(node);
    const rows = elementCount(indices.shape);
    const lookup = (target: Operand) =>
      l.launch({
        family: "gather",
        params: { c },
        rows,
        args: [rowsArg(source), columnArg(indices), { ...rowsArg(target), rowStride: c }],
        scalars: [size],
      });
    if (axis === 0) {
      intoPacked(l, out, lookup);
      return;
    }
    const gathered = l.temporary(table.dtype, [...indices.shape, ...rest]);
    lookup(gathered);
    // [indices…, before…, after…] → [before…, indices…, after…]
    const count = indices.shape.length;
    const before = others.filter((i) => i < axis).map((_, i) => count + i);
    const after = others.filter((i) => i > axis).map((_, i) => count + before.length + i);
    const order = [...before, ...indices.shape.map((_, i) => i), ...after];
    copy(l, transposed(l, gathered, order), out);
  },
};
