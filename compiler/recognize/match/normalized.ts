import { roundToHalf } from "../../../ir/constant/float16.js";
import type { Node, ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import { isRow } from "./rows.js";

/** x / sqrt(mean(x²) + ε) over the last axis, times constants. */
export interface Normalized {
  readonly x: ValueId;
  readonly epsilon: number;
  /** Constant factors beside it. */
  readonly factors: readonly ValueId[];
}

/** A normalization that a constant row is multiplied with or added to. */
export interface NormAndRow {
  readonly x: ValueId;
  readonly epsilon: number;
  /** The norm's own scale, if it has one. */
  readonly scale: ValueId | undefined;
  readonly row: ValueId;
}

/** The operands of norm(x)·row or norm(x) + row in either order, where the norm has at most `operands` operands. */
export function matchNormAndRow(
  rewriter: Rewriter,
  node: Node,
  op: "layer-norm" | "rms-norm",
  operands: number,
): NormAndRow | undefined {
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const [y, row] = [rewriter.input(node, i), rewriter.input(node, j)];
    const norm = y === undefined ? undefined : rewriter.producer(y);
    if ((norm?.op !== "layer-norm" && norm?.op !== "rms-norm") || norm.op !== op) continue;
    const x = rewriter.input(norm, 0);
    if (norm.inputs.length > operands || row === undefined || x === undefined) continue;
    if (!isRow(rewriter, row, rewriter.shape(x)?.at(-1))) continue;
    return { x, epsilon: norm.attrs.epsilon, scale: rewriter.input(norm, 1), row };
  }
  return undefined;
}

/** How deep products are taken apart; the longest form seen is ((x·w)·(1/sqrt)). */
const DEPTH = 4;

/**
 * Finds `node` to be a root-mean-square normalization however it is written: x / sqrt(v), x·(1/sqrt(v)),
 * x·reciprocal(sqrt(v)), x·v^(−1/2), each with constant factors anywhere in the product.
 */
export function matchNormalized(rewriter: Rewriter, node: Node): Normalized | undefined {
  const output = node.outputs[0];
  if (output === undefined || node.op !== "binary") return undefined;
  if (node.attrs.fn !== "mul" && node.attrs.fn !== "div") return undefined;
  const variance = findInverseRoot(rewriter, output, DEPTH);
  if (variance === undefined) return undefined;
  const x = meanSquareOf(rewriter, variance.mean);
  if (x === undefined) return undefined;
  const rest = factorsOf(rewriter, output, x, DEPTH);
  if (rest === undefined) return undefined;
  const at = rest.indexOf(x);
  if (at < 0) return undefined;
  const factors = rest.filter((_, i) => i !== at);
  if (!factors.every((f) => rewriter.constant(f) !== undefined)) return undefined;
  return { x, epsilon: variance.epsilon, factors };
}

interface Variance {
  readonly mean: ValueId;
  readonly epsilon: number;
}

/** The (mean, ε) under the one inverse square root among the factors of a product. */
function findInverseRoot(rewriter: Rewriter, id: ValueId, depth: number): Variance | undefined {
  if (depth < 0) return undefined;
  const own = inverseRoot(rewriter, id);
  if (own !== undefined) return own;
  const product = rewriter.binary(id, "mul");
  if (product !== undefined) {
    return (
      findInverseRoot(rewriter, product[0], depth - 1) ?? findInverseRoot(rewriter, product[1], depth - 1)
    );
  }
  const quotient = rewriter.binary(id, "div");
  if (quotient === undefined) return undefined;
  return rootOf(rewriter, quotient[1]) ?? findInverseRoot(rewriter, quotient[0], depth - 1);
}

/** 1/sqrt(mean + ε) in any form. */
function inverseRoot(rewriter: Rewriter, id: ValueId): Variance | undefined {
  const reciprocal = rewriter.unary(id, "reciprocal");
  if (reciprocal !== undefined) return rootOf(rewriter, reciprocal);
  const root = rewriter.unary(id, "sqrt");
  if (root !== undefined) {
    const inner = rewriter.unary(root, "reciprocal");
    return inner === undefined ? undefined : shifted(rewriter, inner);
  }
  const quotient = rewriter.binary(id, "div");
  if (quotient !== undefined && rewriter.scalar(quotient[0]) === 1) return rootOf(rewriter, quotient[1]);
  const power = rewriter.binary(id, "pow");
  if (power !== undefined && rewriter.scalar(power[1]) === -0.5) return shifted(rewriter, power[0]);
  return undefined;
}

function rootOf(rewriter: Rewriter, id: ValueId): Variance | undefined {
  const inner = rewriter.unary(id, "sqrt");
  if (inner !== undefined) return shifted(rewriter, inner);
  const power = rewriter.binary(id, "pow");
  return power !== undefined && rewriter.scalar(power[1]) === 0.5 ? shifted(rewriter, power[0]) : undefined;
}

function shifted(rewriter: Rewriter, id: ValueId): Variance | undefined {
  const sum = rewriter.binary(id, "add");
  if (sum === undefined) return undefined;
  for (const [mean, epsilon] of [sum, [sum[1], sum[0]] as const]) {
    const value = rewriter.scalar(epsilon);
    if (value !== undefined) return { mean, epsilon: cleanEpsilon(value) };
  }
  return undefined;
}

/** 1e-6 that went through f32, bf16 or f16 reads 9.99999997e-7: the number meant is the short decimal. */
export function cleanEpsilon(value: number): number {
  const short = Number(value.toPrecision(3));
  return Math.fround(short) === Math.fround(value) ? short : value;
}

/** x if the value is mean(x²) over the last axis. */
function meanSquareOf(rewriter: Rewriter, id: ValueId): ValueId | undefined {
  const squared = meanOf(rewriter, id);
  if (squared === undefined) return undefined;
  const product = rewriter.binary(squared, "mul");
  if (product !== undefined && product[0] === product[1]) return product[0];
  const power = rewriter.binary(squared, "pow");
  return power !== undefined && rewriter.scalar(power[1]) === 2 ? power[0] : undefined;
}

/** x if the value is the mean over the last axis, that axis kept: as ReduceMean, or as a sum and a division. */
export function meanOf(rewriter: Rewriter, id: ValueId): ValueId | undefined {
  const node = rewriter.producer(id);
  if (node?.op === "reduce") return node.attrs.fn === "mean" ? lastAxisOperand(rewriter, node) : undefined;
  const quotient = rewriter.binary(id, "div");
  const product = quotient ?? rewriter.binary(id, "mul");
  if (product === undefined) return undefined;
  const [total, by] = product;
  const sum = rewriter.producer(total);
  if (sum?.op !== "reduce" || sum.attrs.fn !== "sum") return undefined;
  const x = lastAxisOperand(rewriter, sum);
  const width = x === undefined ? undefined : rewriter.shape(x)?.at(-1);
  const value = rewriter.scalar(by);
  if (value === undefined || typeof width !== "number") return undefined;
  const count = quotient === undefined ? 1 / value : value;
  // In half precision 1/width is off by up to 2^-11, more than width and width − 1 may differ by: only that
  // number itself is taken.
  const half = value === roundToHalf(quotient === undefined ? 1 / width : width);
  return half || Math.abs(count - width) < 1e-4 * width ? x : undefined;
}

function lastAxisOperand(rewriter: Rewriter, node: Node): ValueId | undefined {
  if (node.op !== "reduce" || !node.attrs.keepDims) return undefined;
  const [x, axes] = [rewriter.input(node, 0), rewriter.input(node, 1)];
  const rank = x === undefined ? undefined : rewriter.shape(x)?.length;
  const axis = axes === undefined ? undefined : rewriter.scalar(axes);
  return rank !== undefined && (axis === -1 || axis === rank - 1) ? x : undefined;
}

/** Factors of a product, `x` and inverse roots not taken apart; inverse roots left out. */
function factorsOf(rewriter: Rewriter, id: ValueId, x: ValueId, depth: number): ValueId[] | undefined {
  const at = rewriter.resolve(id);
  if (at === x) return [at];
  if (inverseRoot(rewriter, at) !== undefined) return [];
  const product = depth > 0 ? rewriter.binary(at, "mul") : undefined;
  if (product !== undefined) {
    const left = factorsOf(rewriter, product[0], x, depth - 1);
    const right = factorsOf(rewriter, product[1], x, depth - 1);
    return left === undefined || right === undefined ? undefined : [...left, ...right];
  }
  const quotient = depth > 0 ? rewriter.binary(at, "div") : undefined;
  if (quotient !== undefined) {
    if (rootOf(rewriter, quotient[1]) === undefined) return undefined;
    return factorsOf(rewriter, quotient[0], x, depth - 1);
  }
  return [at];
}
