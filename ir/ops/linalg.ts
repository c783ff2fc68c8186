import type { Dim, Shape } from "../dim.js";
import { MANY, op } from "./definition.js";
import type { Operands } from "./operands.js";
import { tensor } from "./results.js";
import { PLAIN, type Traits } from "./traits.js";

/** [..., m, k] and [..., k, n] → [..., m, n] */
export function productShape(o: Operands): Shape | null {
  const [a, b] = [o.shape(0), o.shape(1)];
  if (a === null || b === null) return null;
  if (a.length === 0 || b.length === 0) o.fail("operands of rank 1 or more", "a scalar");
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  o.unify(left.at(-1) ?? 1, right.at(-2) ?? 1, `the contraction of [${a.join(", ")}] with [${b.join(", ")}]`);
  const batch = o.broadcast(left.slice(0, -2), right.slice(0, -2)) ?? [];
  const rows = a.length === 1 ? [] : [left.at(-2) ?? 1];
  const columns = b.length === 1 ? [] : [right.at(-1) ?? 1];
  return [...batch, ...rows, ...columns];
}

export interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** `...ik,...jk->...ij` with the ellipsis spelled as letters, aligned from the right. */
export function spellEllipsis(text: string, ranks: readonly number[]): string | undefined {
  if (!text.includes("...")) return text;
  const [left = "", result] = text.replace(/\s/g, "").split("->");
  const terms = left.split(",");
  const spare = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].filter((l) => !text.includes(l));
  const lengths = terms.map((t, i) => (t.includes("...") ? (ranks[i] ?? 0) - (t.length - 3) : 0));
  const most = Math.max(0, ...lengths);
  if (result === undefined || most > spare.length) return undefined;
  const letters = (n: number) => spare.slice(most - n, most).join("");
  return `${terms.map((t, i) => t.replace("...", letters(lengths[i] ?? 0))).join(",")}->${result.replace("...", letters(most))}`;
}

/** Subscript letters of an einsum equation; undefined where it has an ellipsis. */
export function parseEquation(text: string): Equation | undefined {
  const [left = "", right] = text.replace(/\s/g, "").split("->");
  if (text.includes(".")) return undefined;
  const operands = left.split(",").map((t) => [...t]);
  if (right !== undefined) return { operands, result: [...right] };
  const counts = new Map<string, number>();
  for (const letter of operands.flat()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return { operands, result: [...counts.keys()].filter((l) => counts.get(l) === 1).sort() };
}

function einsum(o: Operands, text: string): Shape | null {
  const ranks: number[] = [];
  for (let i = 0; i < o.count; i++) {
    const shape = o.shape(i);
    if (shape === null) return null;
    ranks.push(shape.length);
  }
  const spelled = spellEllipsis(text, ranks);
  const equation = spelled === undefined ? undefined : parseEquation(spelled);
  if (equation === undefined) return null;
  const sizes = new Map<string, Dim>();
  for (const [i, letters] of equation.operands.entries()) {
    const shape = o.shape(i);
    if (shape === null) return null;
    if (shape.length !== letters.length)
      o.fail(`operand ${i} of rank ${letters.length} (${text})`, `rank ${shape.length}`);
    for (const [j, letter] of letters.entries()) {
      const size = shape[j] ?? 1;
      const known = sizes.get(letter);
      if (known === undefined || known === 1) sizes.set(letter, size);
      else if (size !== 1) sizes.set(letter, o.unify(known, size, `index ${letter} of ${text}`));
    }
  }
  return equation.result.map((l) => sizes.get(l) ?? 1);
}

const PRODUCT: Traits<unknown> = { ...PLAIN, work: "matrix product" };

/** Products of matrices and tensors. */
export const linalg = {
  matmul: op({
    operands: 2,
    attrs: {},
    infer: (o) => tensor(o.dtype(0), productShape(o)),
    traits: PRODUCT,
  }),
  /** (a, b, c?): alpha·op(a)·op(b) + beta·c */
  gemm: op({
    operands: [2, 3],
    attrs: { alpha: "number", beta: "number", transA: "bool", transB: "bool" },
    infer: (o, { transA, transB }) => {
      const [a, b] = [o.shape(0), o.shape(1)];
      if (a === null || b === null) return tensor(o.dtype(0), null);
      const [m = 1, ka = 1] = transA ? [a[1], a[0]] : a;
      const [kb = 1, n = 1] = transB ? [b[1], b[0]] : b;
      o.unify(ka, kb, "the contraction");
      return tensor(o.dtype(0), [m, n]);
    },
    traits: PRODUCT,
  }),
  einsum: op({
    operands: [1, MANY],
    attrs: { equation: "string" },
    infer: (o, { equation }) => tensor(o.dtype(0), einsum(o, equation)),
    traits: { ...PLAIN, work: "contraction" },
  }),
};
