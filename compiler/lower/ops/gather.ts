import { elementCount } from "../../../ir/dim.js";
import type { NodeOf } from "../../../ir/graph/graph.js";
import type { Held } from "../../../ir/ops/held.js";
import { intoPacked, packed, reinterpret } from "../alias.js";
import { copy, transposed } from "../elementwise.js";
import { heldTensor } from "../held.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnArg, type Operand, rowsArg } from "../operand.js";
import { fixed } from "../rows.js";
import type { Section } from "../rules.js";

/** Lookups by index. */
export const gather: Section<"gather"> = {
  gather(l, node) {
    if (node.attrs.held !== undefined) return gatherHeld(l, node, node.attrs.held);
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

/** Rows of a table that is held in less than f32, which is how it is stored. */
function gatherHeld(l: Lowering, node: NodeOf<"gather">, held: Held): void {
  const [id] = node.inputs;
  const constant = typeof id === "string" ? l.graph.constants.get(id) : undefined;
  const indices = packed(l, l.input(node, 1));
  const [rows, c, ...more] = constant?.shape ?? [];
  if (
    typeof id !== "string" ||
    constant === undefined ||
    rows === undefined ||
    c === undefined ||
    more.length > 0
  )
    throw new UnsupportedOp("a held table that is no constant matrix");
  if (node.attrs.axis !== 0 || indices.dtype !== "i32")
    throw new UnsupportedOp(`a held table along axis ${node.attrs.axis}, by indices of ${indices.dtype}`);
  const table = l.tableOf(id, heldTensor(l, id, constant, held), held === "bf16" ? "bf16" : "u8");
  intoPacked(l, l.output(node), (target) =>
    l.launch({
      family: "gather",
      params: { c, held },
      rows: elementCount(indices.shape),
      args: [rowsArg(table), columnArg(indices), { ...rowsArg(target), rowStride: c }],
      scalars: [rows],
    }),
  );
}
