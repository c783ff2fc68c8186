import { type Dim, elementCount } from "../../../ir/dim.js";
import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { parseEquation, spellEllipsis } from "../../../ir/ops/linalg.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";
import { reshapeTo } from "./reshape-rules.js";
import { becomes, operand, type Rule, rule } from "./rule.js";

type Letters = readonly string[];

interface Operand {
  readonly id: ValueId;
  readonly letters: Letters;
}

/** x with its axes in the order of `to`; letters it lacks become axes of size 1. */
function arranged(edit: GraphEditor, x: Operand, to: Letters): ValueId {
  const own = to.filter((l) => x.letters.includes(l));
  const perm = own.map((l) => x.letters.indexOf(l));
  const ordered = perm.every((p, i) => p === i) ? x.id : edit.add("transpose", [x.id], { perm });
  const sizes = sizesOf(edit, x);
  return reshapeTo(
    edit,
    ordered,
    to.map((l) => sizes.get(l) ?? 1),
  );
}

function sizesOf(edit: GraphEditor, x: Operand): ReadonlyMap<string, Dim> {
  const shape = edit.type(x.id).shape ?? [];
  return new Map(x.letters.map((l, i) => [l, shape[i] ?? 1]));
}

/** Sums over the letters that nothing else mentions. */
function summed(edit: GraphEditor, x: Operand, keep: (letter: string) => boolean): Operand {
  const axes = x.letters.flatMap((l, i) => (keep(l) ? [] : [i]));
  if (axes.length === 0) return x;
  const id = edit.add("reduce", [x.id, edit.ints(axes)], {
    fn: "sum",
    keepDims: false,
    noopWithEmptyAxes: false,
  });
  return { id, letters: x.letters.filter(keep) };
}

function product(edit: GraphEditor, a: Operand, b: Operand, result: Letters): ValueId {
  const shared = a.letters.filter((l) => b.letters.includes(l));
  const contracted = shared.filter((l) => !result.includes(l));
  if (contracted.length === 0) {
    return edit.add("binary", [arranged(edit, a, result), arranged(edit, b, result)], { fn: "mul" });
  }
  const batch = shared.filter((l) => result.includes(l));
  const rows = a.letters.filter((l) => !shared.includes(l));
  const columns = b.letters.filter((l) => !shared.includes(l));
  const [left, right] = [sizesOf(edit, a), sizesOf(edit, b)];
  const pick = (sizes: ReadonlyMap<string, Dim>, letters: Letters) => letters.map((l) => sizes.get(l) ?? 1);
  const count = (sizes: ReadonlyMap<string, Dim>, letters: Letters) => elementCount(pick(sizes, letters));
  const x = reshapeTo(edit, arranged(edit, a, [...batch, ...rows, ...contracted]), [
    ...pick(left, batch),
    count(left, rows),
    count(left, contracted),
  ]);
  const y = reshapeTo(edit, arranged(edit, b, [...batch, ...contracted, ...columns]), [
    ...pick(right, batch),
    count(right, contracted),
    count(right, columns),
  ]);
  const z = edit.add("matmul", [x, y], {});
  const batchSizes = (edit.type(z).shape ?? []).slice(0, batch.length);
  const split = reshapeTo(edit, z, [...batchSizes, ...pick(left, rows), ...pick(right, columns)]);
  return arranged(edit, { id: split, letters: [...batch, ...rows, ...columns] }, result);
}

function expanded(node: NodeOf<"einsum">, edit: GraphEditor): boolean {
  const ranks = node.inputs.map((_, i) => edit.type(operand(node, i)).shape?.length);
  if (ranks.includes(undefined) || node.inputs.length > 2) return false;
  const text = spellEllipsis(
    node.attrs.equation,
    ranks.map((r) => r ?? 0),
  );
  const equation = text === undefined ? undefined : parseEquation(text);
  if (equation === undefined) return false;
  const { operands, result } = equation;
  if ([...operands, result].some((letters) => new Set(letters).size !== letters.length)) return false;
  if (!result.every((l) => operands.some((letters) => letters.includes(l)))) return false;
  const [a, b] = operands.map((letters, i): Operand => {
    const keep = (l: string) =>
      result.includes(l) || operands.some((other, j) => j !== i && other.includes(l));
    return summed(edit, { id: operand(node, i), letters }, keep);
  });
  if (a === undefined) return false;
  return becomes(edit, node, b === undefined ? arranged(edit, a, result) : product(edit, a, b, result));
}

export const EINSUM_RULES: readonly Rule[] = [
  // einsum("i,j->ij", a, b) = reshape(a, [i, 1]) · reshape(b, [1, j]);
  // einsum("bik,bkj->bij", a, b) = matmul(a, b), with transposes and reshapes around it as needed
  rule("einsum-to-matmul", "einsum", expanded),
];
