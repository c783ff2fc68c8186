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
  /** What is added before softmax, if anything is. */
  readonly mask?: OuterMask;
}

/** factor·m·mᵀ of a value m[1, T], which says by ones and zeros which tokens are weakened. */
export interface OuterMask {
  readonly value: ValueId;
  readonly factor: number;
}

/** What following a value gives. */
export type Traced = Channels | Scores;
type Trace = (id: ValueId) => Traced | undefined;

const eitherWay = (a: ValueId, b: ValueId) =>
  [
    [a, b],
    [b, a],
  ] as const;

/** scores·s or scores / s */
export function scaledScores(
  rewriter: Rewriter,
  fn: "add" | "sub" | "mul" | "div",
  a: ValueId,
  b: ValueId,
  trace: Trace,
): Scores | undefined {
  if (fn !== "mul" && fn !== "div") return undefined;
  for (const [value, by] of eitherWay(a, b)) {
    const factor = rewriter.scalar(by);
    if (factor === undefined) continue;
    const scores = trace(value);
    if (scores?.kind !== "scores" || scores.softmax || (fn === "div" && value !== a)) return undefined;
    const times = fn === "mul" ? factor : 1 / factor;
    const { mask } = scores;
    return {
      ...scores,
      scale: scores.scale * times,
      ...(mask === undefined ? {} : { mask: { ...mask, factor: mask.factor * times } }),
    };
  }
  return undefined;
}

/** scores + m·mᵀ */
export function maskedScores(
  rewriter: Rewriter,
  fn: "add" | "sub" | "mul" | "div",
  a: ValueId,
  b: ValueId,
  trace: Trace,
): Scores | undefined {
  if (fn !== "add") return undefined;
  for (const [value, bias] of eitherWay(a, b)) {
    const mask = outerMask(rewriter, bias);
    const scores = mask === undefined ? undefined : trace(value);
    if (mask === undefined || scores?.kind !== "scores" || scores.softmax || scores.mask !== undefined)
      continue;
    return { ...scores, mask: { value: mask, factor: 1 } };
  }
  return undefined;
}

/** m of (reshape %m [… 1 T])·(reshape %m [… T 1]); undefined where it is no such product. */
function outerMask(rewriter: Rewriter, id: ValueId): ValueId | undefined {
  const factors = rewriter.binary(id, "mul");
  const tokens = rewriter.shape(id)?.at(-1);
  if (factors === undefined || tokens === undefined || tokens === 1) return undefined;
  const shapes = factors.map((factor) => String(rewriter.shape(factor)?.slice(-2)));
  if (![`1,${tokens}`, `${tokens},1`].every((shape) => shapes.includes(shape))) return undefined;
  const [mask, other] = factors.map((factor) => {
    const node = rewriter.producer(factor);
    return node?.op === "reshape" ? rewriter.input(node, 0) : undefined;
  });
  const isVector = mask !== undefined && String(rewriter.shape(mask)) === `1,${tokens}`;
  return isVector && mask === other ? mask : undefined;
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
