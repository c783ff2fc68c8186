import { type Dim, elementCount, mulDims, type Shape } from "../../../ir/dim.js";
import { input } from "../../../ir/families/expression.js";
import type { Node, NodeOf } from "../../../ir/graph/graph.js";
import type { LaunchArg } from "../../../ir/program/program.js";
import { plainIntsOf } from "../../rewrite/values.js";
import { intoPacked, packed, reinterpret } from "../alias.js";
import { copy, launchStrided, strideOperand } from "../elementwise.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnArg, columnsOf, type Operand, rowsArg, stridesOf } from "../operand.js";
import { fixed } from "./rows.js";

/** Ops that combine elements along axes: products, sums, softmax, lookups. */
export const contractions = {
  matmul: (l: Lowering, node: Node) => matmul(l, l.input(node, 0), l.input(node, 1), l.output(node)),

  softmax(l: Lowering, node: NodeOf<"softmax">): void {
    alongLastAxis(l, l.input(node, 0), l.output(node), node.attrs.axis, (x, out) => {
      const rows = elementCount(x.shape.slice(0, -1));
      l.launch({
        family: "softmax",
        params: { log: node.attrs.log },
        rows,
        args: [rowsArg(x), rowsArg(out)],
        scalars: [columnsOf(x.shape)],
        sizes: [1, rows, 1],
      });
    });
  },

  reduce(l: Lowering, node: NodeOf<"reduce">): void {
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
        sizes: [1, rows, 1],
      }),
    );
  },

  gather(l: Lowering, node: NodeOf<"gather">): void {
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
        sizes: [1, rows, 1],
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

function matmul(l: Lowering, left: Operand, right: Operand, out: Operand): void {
  if (left.dtype !== "f32" || right.dtype !== "f32") throw new UnsupportedOp(`a product of ${left.dtype}`);
  const a = left.shape.length === 1 ? { ...left, shape: [1, ...left.shape] } : left;
  const b = right.shape.length === 1 ? { ...right, shape: [...right.shape, 1], rowStride: 1 } : right;
  const [m = 1, k = 1] = a.shape.slice(-2);
  const n = columnsOf(b.shape);
  const lead = Math.max(a.shape.length, b.shape.length) - 2;
  const batchShape = Array.from({ length: lead }, (_, i) => {
    const [da, db] = [a, b].map((o) => o.shape[i - lead + o.shape.length - 2] ?? 1);
    return da === 1 ? (db ?? 1) : (da ?? 1);
  });
  const batch = elementCount(batchShape);
  intoPacked(l, out, (target) => {
    const sides = [a, b].map((operand) => batched(l, operand, batchShape));
    const [sa, sb] = sides.map((side) => side.operand);
    if (sa === undefined || sb === undefined) return;
    const plain = (operand: Operand): LaunchArg => ({ ...rowsArg(operand), rowStride: 0 });
    l.launch({
      family: "matmul",
      params: {},
      rows: mulDims(batch, m),
      args: [plain(sa), plain(sb), plain(target)],
      scalars: [
        batch,
        m,
        n,
        k,
        sides[0]?.stride ?? 0,
        sa.rowStride,
        1,
        sides[1]?.stride ?? 0,
        sb.rowStride,
        1,
        mulDims(m, n),
        n,
      ],
      sizes: [n, m, batch],
    });
  });
}

/** An operand with one stride along the whole batch: 0 if it has no batch of its own. */
function batched(
  l: Lowering,
  operand: Operand,
  batchShape: Shape,
): { readonly operand: Operand; readonly stride: Dim } {
  const own = operand.shape.slice(0, -2);
  const matrix = operand.shape.slice(-2);
  if (own.every((d) => d === 1)) return { operand, stride: 0 };
  const [rows = 1] = matrix;
  const full = [...batchShape.slice(0, batchShape.length - own.length).map(() => 1), ...own];
  if (full.every((d, i) => d === batchShape[i])) return { operand, stride: mulDims(operand.rowStride, rows) };
  const expanded = l.temporary(operand.dtype, [...batchShape, ...matrix]);
  copy(l, operand, expanded);
  return { operand: expanded, stride: elementCount(matrix) };
}

/** The operand with its axes in another order, copied unless the order is the same. */
function transposed(l: Lowering, x: Operand, order: readonly number[]): Operand {
  if (order.every((axis, i) => axis === i)) return x;
  const strides = stridesOf(x);
  const shape = order.map((axis) => x.shape[axis] ?? 1);
  const out = l.temporary(x.dtype, shape);
  const from = strideOperand(
    x,
    order.map((axis) => strides[axis] ?? 0),
  );
  launchStrided(l, input(0), [from], strideOperand(out, stridesOf(out)), shape);
  return out;
}

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
