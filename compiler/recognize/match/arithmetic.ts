import type { Shape } from "../../../ir/dim.js";
import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { type Channels, reshapeChannels, sizesOf, strides, tokensOf, zipChannels } from "./channels.js";
import type { Expr, Expressions } from "./expressions.js";

/** One channel of an elementwise operation; division by constants only. */
export function combine(
  e: Expressions,
  fn: "add" | "sub" | "mul" | "div",
  x: Expr,
  y: Expr,
): Expr | undefined {
  if (fn === "add") return e.add(x, y);
  if (fn === "sub") return e.add(x, e.scale(y, -1));
  if (fn === "mul") return e.multiply(x, y);
  const [term, ...rest] = e.terms(y);
  if (term === undefined || rest.length > 0 || term.atoms.length > 0) return undefined;
  // A division is kept to the rounding of its product: x / y = x·(1/y) up to one ulp.
  return e.scale(x, 1 / term.factor);
}

/** The sum over some channel axes, as rotations by matrix products are written. */
export function sumChannels(
  e: Expressions,
  value: Channels,
  over: ReadonlySet<number>,
  shape: Shape,
): Channels | undefined {
  const sizes = sizesOf(value);
  const steps = strides(sizes.map((s, a) => (over.has(a) ? 1 : s)));
  const count = sizes.reduce((n, s, a) => (over.has(a) ? n : n * s), 1);
  const sums = new Int32Array(count).fill(e.constant(0));
  const full = strides(sizes);
  for (const [i, expr] of value.channels.entries()) {
    let at = 0;
    for (let a = 0; a < sizes.length; a++) {
      if (!over.has(a)) at += (Math.floor(i / (full[a] ?? 1)) % (sizes[a] ?? 1)) * (steps[a] ?? 0);
    }
    const sum = e.add(sums[at] ?? 0, expr);
    if (sum === undefined) return undefined;
    sums[at] = sum;
  }
  const kept = value.shape.map((d, a) => (over.has(a) ? 1 : d));
  return reshapeChannels({ ...value, shape: kept, channels: sums }, shape);
}

/** A product of small matrices at every token: 2x2 rotations. */
export function contractChannels(
  e: Expressions,
  a: Channels,
  b: Channels,
  shape: Shape,
): Channels | undefined {
  const rank = shape.length;
  const lead = (x: Channels) => x.token === null || tokensOf(x) === 1 || x.token < rank - 2;
  if (!lead(a) || !lead(b)) return undefined;
  const [n, k] = [a.shape.at(-2), a.shape.at(-1)];
  const m = b.shape.at(-1);
  if (typeof n !== "number" || typeof m !== "number" || typeof k !== "number" || k > 4) return undefined;
  const outer = shape.slice(0, -2);
  const x = reshapeChannels(a, [...a.shape.slice(0, -2), n, k, 1]);
  const y = reshapeChannels(b, [...b.shape.slice(0, -2), 1, k, m]);
  if (x === undefined || y === undefined) return undefined;
  const all = zipChannels(x, y, [...outer, n, k, m], (p, q) => e.multiply(p, q));
  return all === undefined ? undefined : sumChannels(e, all, new Set([rank - 1]), shape);
}

/** Root-mean-square norms of each group of channels along the last axis, times a constant weight. */
export function normChannels(
  expressions: Expressions,
  node: NodeOf<"rms-norm">,
  value: Channels | undefined,
  weight: ValueId | null,
): Channels | undefined {
  const rank = value?.shape.length ?? 0;
  const axis = node.attrs.axis < 0 ? node.attrs.axis + rank : node.attrs.axis;
  if (value === undefined || axis !== rank - 1 || axis === value.token) return undefined;
  const width = node.attrs.group === 0 ? Number(value.shape[axis]) : node.attrs.group;
  const channels = new Int32Array(value.channels.length);
  for (let from = 0; from < channels.length; from += width) {
    const list = value.channels.slice(from, from + width);
    const entries = expressions.norms(list, node.attrs.epsilon, weight);
    if (entries === undefined) return undefined;
    channels.set(entries, from);
  }
  return { ...value, channels };
}
