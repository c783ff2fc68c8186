import { type Dim, elementCount, mulDims, type Shape } from "../../../ir/dim.js";
import type { LaunchArg } from "../../../ir/program/program.js";
import { intoPacked } from "../alias.js";
import { copy } from "../elementwise.js";
import { type Lowering, UnsupportedOp } from "../lowering.js";
import { columnsOf, type Operand, rowsArg } from "../operand.js";
import type { Section } from "../rules.js";

/** Products of matrices. */
export const linalg: Section<"linalg"> = {
  matmul: (l, node) => matmul(l, l.input(node, 0), l.input(node, 1), l.output(node)),
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
