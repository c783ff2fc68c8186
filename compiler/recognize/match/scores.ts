import type { Shape } from "../../../ir/dim.js";
import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import type { Channels } from "./channels.js";

/** Products of queries and keys: [...heads, Tq, Tk], scaled, before or after softmax. */
export interface Scores {
  readonly kind: "scores";
  readonly shape: Shape;
  readonly q: Channels;
  readonly k: Channels;
  readonly scale: number;
  readonly softmax: boolean;
}

/** What following a value gives. */
export type Traced = Channels | Scores;
type Trace = (id: ValueId) => Traced | undefined;

/** scores·s or scores / s */
export function scaledScores(
  rewriter: Rewriter,
  fn: "add" | "sub" | "mul" | "div",
  a: ValueId,
  b: ValueId,
  trace: Trace,
): Scores | undefined {
  if (fn !== "mul" && fn !== "div") return undefined;
  for (const [value, by] of [
    [a, b],
    [b, a],
  ] as const) {
    const factor = rewriter.scalar(by);
    if (factor === undefined) continue;
    const scores = trace(value);
    if (scores?.kind !== "scores" || scores.softmax || (fn === "div" && value !== a)) return undefined;
    return { ...scores, scale: fn === "mul" ? scores.scale * factor : scores.scale / factor };
  }
  return undefined;
}

/** softmax over the keys */
export function softmaxScores(
  node: NodeOf<"softmax">,
  scores: Traced | undefined,
  rank: number,
): Scores | undefined {
  if (scores?.kind !== "scores" || scores.softmax || node.attrs.log) return undefined;
  const isLast = node.attrs.axis === -1 || node.attrs.axis === rank - 1;
  return isLast ? { ...scores, softmax: true } : undefined;
}

/** where(is-nan(p), 0, p): the guard that exporters put behind softmax. */
export function guardedScores(rewriter: Rewriter, node: Node, trace: Trace): Scores | undefined {
  const [condition, chosen, other] = [0, 1, 2].map((i) => rewriter.input(node, i));
  if (condition === undefined || chosen === undefined || other === undefined) return undefined;
  const tested = rewriter.unary(condition, "is-nan");
  if (tested !== other || rewriter.scalar(chosen) === undefined) return undefined;
  const value = trace(other);
  return value?.kind === "scores" && value.softmax ? value : undefined;
}
