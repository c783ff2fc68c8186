import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../../ir/ops/elementwise.js";
import type { Builder, Term } from "../builder.js";
import { operand, result, type Section } from "../rules.js";

/** dy/dx of y = fn(x), in terms of both. Functions that are flat almost everywhere have 0, others no entry. */
const SLOPES: { readonly [F in UnaryFn]?: (b: Builder, x: ValueId, y: ValueId) => Term } = {
  abs: (b, x) => b.unary("sign", x),
  ceil: () => 0,
  cos: (b, x) => b.unary("neg", b.unary("sin", x)),
  erf: (b, x) => b.mul(2 / Math.sqrt(Math.PI), b.unary("exp", b.unary("neg", b.mul(x, x)))),
  exp: (_, _x, y) => y,
  floor: () => 0,
  log: (b, x) => b.unary("reciprocal", x),
  neg: () => -1,
  reciprocal: (b, _x, y) => b.unary("neg", b.mul(y, y)),
  relu: (b, x) => b.unary("relu", b.unary("sign", x)),
  round: () => 0,
  sigmoid: (b, _x, y) => b.mul(y, b.sub(1, y)),
  sign: () => 0,
  sin: (b, x) => b.unary("cos", x),
  softplus: (b, x) => b.unary("sigmoid", x),
  sqrt: (b, _x, y) => b.div(0.5, y),
  tanh: (b, _x, y) => b.sub(1, b.mul(y, y)),
};

type Slope = (b: Builder, x: ValueId, y: ValueId, out: ValueId) => Term;

/** ∂/∂x and ∂/∂y of fn(x, y). */
const BINARY_SLOPES: { readonly [F in BinaryFn]?: readonly [Slope, Slope] } = {
  add: [() => 1, () => 1],
  sub: [() => 1, () => -1],
  mul: [(_b, _x, y) => y, (_b, x) => x],
  div: [(b, _x, y) => b.unary("reciprocal", y), (b, _x, y, out) => b.unary("neg", b.div(out, y))],
  pow: [
    (b, x, y) => b.mul(y, b.binary("pow", x, b.sub(y, 1))),
    (b, x, _y, out) => b.mul(out, b.unary("log", x)),
  ],
  max: [(b, x, y) => chosen(b, "greater-equal", x, y), (b, x, y) => chosen(b, "less", x, y)],
  min: [(b, x, y) => chosen(b, "less-equal", x, y), (b, x, y) => chosen(b, "greater", x, y)],
};

/** 1 where the comparison holds, else 0. */
function chosen(b: Builder, fn: BinaryFn, x: ValueId, y: ValueId): ValueId {
  return b.editor.add("cast", [b.binary(fn, x, y)], { to: b.editor.type(x).dtype });
}

/** One element of the result from one of each operand. */
export const elementwise: Section<"elementwise"> = {
  unary(b, node, [g]) {
    const slope = SLOPES[node.attrs.fn]?.(b, operand(node, 0), result(node));
    return [slope === undefined ? null : times(b, g, slope)];
  },

  binary(b, node, [g]) {
    const [x, y] = [operand(node, 0), operand(node, 1)];
    const slopes = BINARY_SLOPES[node.attrs.fn];
    if (slopes === undefined) return [null, null];
    return [x, y].map((id, i) => {
      const slope = slopes[i]?.(b, x, y, result(node)) ?? 0;
      return b.sumTo(times(b, g, slope), b.shape(id));
    });
  },

  where(b, node, [g]) {
    const zero = b.fill(0, [], g);
    const chosen = [
      [g, zero],
      [zero, g],
    ].map((branches, i) => {
      const taken = b.editor.add("where", [operand(node, 0), ...branches], {});
      return b.sumTo(taken, b.shape(operand(node, i + 1)));
    });
    return [null, ...chosen];
  },

  cast: (b, node, [g]) => [b.editor.add("cast", [g], { to: b.editor.type(operand(node, 0)).dtype })],

  /** y = x·σ(x): y' = σ + y·(1 − σ) */
  silu(b, node, [g]) {
    const x = operand(node, 0);
    const s = b.unary("sigmoid", x);
    return [b.mul(g, b.add(s, b.mul(result(node), b.sub(1, s))))];
  },

  gelu: (b, node, [g]) => [b.mul(g, geluSlope(b, node))],
};

function times(b: Builder, g: ValueId, slope: Term): ValueId {
  if (slope === 1) return g;
  return slope === -1 ? b.unary("neg", g) : b.mul(g, slope);
}

/**
 * tanh: y = x·s, s = σ(2u), u = c·(x + a·x³), which is x·(1 + tanh u)/2: y' = s + y·(1 − s)·2c·(1 + 3a·x²).
 * erf: y = x·Φ(x): y' = Φ(x) + x·φ(x).
 */
function geluSlope(b: Builder, node: NodeOf<"gelu">): ValueId {
  const x = operand(node, 0);
  const square = b.mul(x, x);
  if (node.attrs.approximate === "none") {
    const cdf = b.mul(0.5, b.add(1, b.unary("erf", b.mul(x, Math.SQRT1_2))));
    const density = b.mul(1 / Math.sqrt(2 * Math.PI), b.unary("exp", b.mul(-0.5, square)));
    return b.add(cdf, b.mul(x, density));
  }
  const [a, c] = [0.044715, Math.sqrt(2 / Math.PI)];
  const cubic = b.mul(square, 2 * c * a);
  const s = b.unary("sigmoid", b.mul(x, b.add(cubic, 2 * c)));
  const inner = b.add(b.mul(cubic, 3), 2 * c);
  return b.add(s, b.mul(b.mul(result(node), b.sub(1, s)), inner));
}
