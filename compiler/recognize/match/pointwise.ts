import { sameShape } from "../../../ir/dim.js";
import type { Node, ValueId } from "../../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../../ir/ops/elementwise.js";
import type { Rewriter } from "../../rewrite/rewriter.js";

/**
 * Recognizes chains of elementwise operations by what they compute, not by how they are written: the chain
 * from x to y is evaluated at sample points and compared with the function meant.
 */
export interface PointwiseMatch {
  readonly x: ValueId;
  /** Index of the candidate function that agreed. */
  readonly which: number;
}

const SAMPLES = [-7.5, -3.2, -1.7, -0.9, -0.31, 0.12, 0.55, 1.3, 2.6, 4.4, 9] as const;

/**
 * Constants of half-precision exports are rounded (√(2/π) to 0.7969 in bf16), which moves these functions by
 * up to about 1e-3; different activation functions differ by more than 1e-2 somewhere.
 */
const TOLERANCE = 2e-3;

/** Most nodes between x and y, and values that are tried as x; the longest GELU chain has 9. */
const LIMIT = 12;

/** Operations from the function in the middle to y: 1 + tanh(u), times x, times 0.5, and casts or scales. */
const MOST_STEPS = 4;

/** Values that y is an elementwise function of, nearest to y first, each the only non-constant leaf if cut at. */
export function matchPointwise(
  rewriter: Rewriter,
  y: ValueId,
  inner: Node,
  functions: readonly ((x: number) => number)[],
): PointwiseMatch | undefined {
  const shape = rewriter.shape(y);
  if (shape === undefined) return undefined;
  for (const x of candidates(rewriter, inner)) {
    const type = rewriter.shape(x);
    // These functions read their argument twice.
    if (type === undefined || !sameShape(type, shape) || rewriter.leadsStraightOn(x)) continue;
    const agreeing = new Set(functions.keys());
    for (const sample of SAMPLES) {
      const value = evaluate(rewriter, y, new Map([[x, sample]]), { left: 8 * LIMIT });
      for (const [which, f] of functions.entries()) {
        const near =
          value !== undefined && Math.abs(value - f(sample)) <= TOLERANCE * Math.max(1, Math.abs(sample));
        if (!near) agreeing.delete(which);
      }
      if (agreeing.size === 0) break;
    }
    const [which] = agreeing;
    if (which !== undefined) return { x, which };
  }
  return undefined;
}

/** Values below the operand of `inner` that may be the argument, nearest first. */
function candidates(rewriter: Rewriter, inner: Node): readonly ValueId[] {
  const found: ValueId[] = [];
  const queue = inner.inputs.flatMap((i) => (i === null ? [] : [rewriter.resolve(i)]));
  for (let at = 0; at < queue.length && found.length < LIMIT; at++) {
    const id = queue[at] as ValueId;
    if (found.includes(id) || rewriter.constant(id) !== undefined) continue;
    found.push(id);
    const node = rewriter.producer(id);
    if (node?.op !== "binary" && node?.op !== "unary") continue;
    for (const input of node.inputs) if (input !== null) queue.push(rewriter.resolve(input));
  }
  return found;
}

/** The value of an elementwise expression, or undefined where it depends on anything but `known`. */
function evaluate(
  rewriter: Rewriter,
  id: ValueId,
  known: Map<ValueId, number>,
  budget: { left: number },
): number | undefined {
  const at = rewriter.resolve(id);
  const value = known.get(at);
  if (value !== undefined) return value;
  if (budget.left-- <= 0) return undefined;
  if (rewriter.constant(at) !== undefined) return rewriter.scalar(at);
  const node = rewriter.producer(at);
  const operands: number[] = [];
  if (node?.op !== "binary" && node?.op !== "unary") return undefined;
  for (const input of node.inputs) {
    const operand = input === null ? undefined : evaluate(rewriter, input, known, budget);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  const [a = 0, b = 0] = operands;
  const result = node.op === "binary" ? binary(node.attrs.fn, a, b) : unary(node.attrs.fn, a);
  if (result !== undefined) known.set(at, result);
  return result;
}

function binary(fn: BinaryFn, a: number, b: number): number | undefined {
  switch (fn) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return a / b;
    case "pow":
      return a ** b;
    case "max":
      return Math.max(a, b);
    case "min":
      return Math.min(a, b);
    default:
      return undefined;
  }
}

function unary(fn: UnaryFn, a: number): number | undefined {
  switch (fn) {
    case "neg":
      return -a;
    case "exp":
      return Math.exp(a);
    case "tanh":
      return Math.tanh(a);
    case "erf":
      return erf(a);
    case "sigmoid":
      return 1 / (1 + Math.exp(-a));
    case "sqrt":
      return Math.sqrt(a);
    case "reciprocal":
      return 1 / a;
    default:
      return undefined;
  }
}

/** Abramowitz and Stegun 7.1.26, |error| < 1.5e-7. */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - p * Math.exp(-x * x));
}

export const silu = (x: number): number => x / (1 + Math.exp(-x));
export const geluErf = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));
export const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Values computed from `start`'s result, nearest first, by elementwise operations only. `last`: the last of these. */
export function pointwiseUsers(
  rewriter: Rewriter,
  start: Node,
  last?: ReadonlySet<BinaryFn>,
): readonly ValueId[] {
  const users: ValueId[] = [];
  let frontier = start.outputs;
  for (let step = 0; step < MOST_STEPS && frontier.length > 0; step++) {
    const next: ValueId[] = [];
    for (const id of frontier) {
      // An activation has a few readers; a value with many is a stream.
      for (const user of rewriter.consumers(id).slice(0, LIMIT)) {
        const output = user.outputs[0];
        if ((user.op !== "binary" && user.op !== "unary") || output === undefined) continue;
        if (!next.includes(output) && !users.includes(output)) next.push(output);
      }
    }
    users.push(...next);
    frontier = next;
  }
  if (last === undefined) return users;
  return users.filter((id) => {
    const node = rewriter.producer(id);
    return node?.op === "binary" && last.has(node.attrs.fn);
  });
}

/** What x·sigmoid(u) and x / (1 + exp(−u)) end in. */
export const PRODUCTS: ReadonlySet<BinaryFn> = new Set(["mul", "div"]);
