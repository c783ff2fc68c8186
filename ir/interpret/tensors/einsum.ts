import { countOf, type Tensor } from "../../tensor.js";
import { reduce } from "../reductions.js";
import { type Context, OpError, stridesOf, withShape } from "../value.js";
import { binary } from "./binary.js";
import { gatherStrided } from "./copy.js";
import { matmul } from "./matmul.js";

/** A tensor whose axes have labels, each once. */
interface Labelled {
  readonly t: Tensor;
  readonly labels: readonly string[];
}

interface Terms {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Labels per operand; the axes of an ellipsis become the labels `.0`, `.1`, … counted from the right. */
function parseEquation(equation: string, operands: readonly Tensor[]): Terms {
  const [left = "", right] = equation.replace(/\s/g, "").split("->");
  const terms = left.split(",");
  if (terms.length !== operands.length)
    throw new OpError(`${terms.length} terms for ${operands.length} operands`);
  let widest = 0;
  const inputs = terms.map((term, i) => {
    const rank = operands[i]!.shape.length;
    const named = term.replace("...", "").length;
    const extra = term.includes("...") ? rank - named : 0;
    if (named + extra !== rank || extra < 0) throw new OpError(`the term ${term} does not fit rank ${rank}`);
    widest = Math.max(widest, extra);
    return spread(term, extra);
  });
  if (right !== undefined) return { inputs, output: spread(right, widest) };
  const counts = new Map<string, number>();
  for (const label of inputs.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const once = [...counts].filter(([label, n]) => n === 1 && !label.startsWith(".")).map(([label]) => label);
  return { inputs, output: [...spread("...", widest), ...once.sort()] };
}

function spread(term: string, extra: number): string[] {
  const [before = "", after] = term.split("...");
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: extra }, (_, i) => `.${extra - 1 - i}`), ...after];
}

/** A repeated label in one term reads the diagonal. */
function diagonal(t: Tensor, labels: readonly string[]): Labelled {
  const unique = [...new Set(labels)];
  if (unique.length === labels.length) return { t, labels };
  const strides = stridesOf(t.shape);
  const shape = unique.map((label) => Math.max(...labels.map((l, i) => (l === label ? t.shape[i]! : 1))));
  const steps = unique.map((label) =>
    labels.reduce((sum, l, i) => (l === label && t.shape[i] !== 1 ? sum + strides[i]! : sum), 0),
  );
  return { t: gatherStrided(t, shape, steps), labels: unique };
}

/** Axes in the order of `labels`; labels the tensor lacks become axes of size 1. */
function arrange({ t, labels }: Labelled, order: readonly string[]): Tensor {
  const strides = stridesOf(t.shape);
  const at = order.map((label) => labels.indexOf(label));
  return gatherStrided(
    t,
    at.map((i) => (i < 0 ? 1 : t.shape[i]!)),
    at.map((i) => (i < 0 ? 0 : strides[i]!)),
  );
}

function sumOut({ t, labels }: Labelled, keep: ReadonlySet<string>, context: Context): Labelled {
  const axes = labels.flatMap((label, i) => (keep.has(label) ? [] : [i]));
  if (axes.length === 0) return { t, labels };
  const sum = reduce(t, axes, "sum", false, context);
  return { t: sum, labels: labels.filter((label) => keep.has(label)) };
}

/** Contracts two operands: shared labels that nothing later needs are summed, as one batched matmul. */
function contract(a: Labelled, b: Labelled, later: ReadonlySet<string>, context: Context): Labelled {
  const inA = new Set(a.labels);
  const inB = new Set(b.labels);
  const x = sumOut(a, new Set([...later, ...inB]), context);
  const y = sumOut(b, new Set([...later, ...inA]), context);
  const shared = x.labels.filter((l) => inB.has(l));
  const summed = shared.filter((l) => !later.has(l));
  const batch = shared.filter((l) => later.has(l));
  const ownA = x.labels.filter((l) => !inB.has(l));
  const ownB = y.labels.filter((l) => !inA.has(l));
  const labels = [...batch, ...ownA, ...ownB];
  const sizes = (v: Labelled, names: readonly string[]) => names.map((l) => v.t.shape[v.labels.indexOf(l)]!);
  const compatible = shared.every((l) => sizes(x, [l])[0] === sizes(y, [l])[0]);
  if (summed.length === 0 || !compatible) {
    // An outer or elementwise product, or one that broadcasts a size of 1.
    const order = [...labels, ...summed];
    const t = binary(arrange(x, order), arrange(y, order), "mul", context);
    return sumOut({ t, labels: order }, later, context);
  }
  const [nb, na, nk, nc] = [sizes(x, batch), sizes(x, ownA), sizes(x, summed), sizes(y, ownB)];
  const left = withShape(arrange(x, [...batch, ...ownA, ...summed]), [countOf(nb), countOf(na), countOf(nk)]);
  const right = withShape(arrange(y, [...batch, ...summed, ...ownB]), [
    countOf(nb),
    countOf(nk),
    countOf(nc),
  ]);
  return { t: withShape(matmul(left, right, context), [...nb, ...na, ...nc]), labels };
}

/** Einstein summation over any number of operands, from left to right. */
export function einsum(equation: string, operands: readonly Tensor[], context: Context): Tensor {
  const { inputs, output } = parseEquation(equation, operands);
  const terms = operands.map((t, i) => diagonal(t, inputs[i]!));
  let result = terms[0];
  if (result === undefined) throw new OpError("einsum of nothing");
  for (let i = 1; i < terms.length; i++) {
    const later = new Set([...output, ...terms.slice(i + 1).flatMap((term) => term.labels)]);
    result = contract(result, terms[i]!, later, context);
  }
  result = sumOut(result, new Set(output), context);
  return arrange(result, output);
}
