import type { Constant } from "../../../ir/constant/constant.js";
import { addDims, type Dim, divDims, mulDims, negateDim, subDims } from "../../../ir/dim.js";
import { type DType, isFloat } from "../../../ir/dtype.js";
import type { Node, ValueId, ValueType } from "../../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../../ir/ops/elementwise.js";
import { definitionOf } from "../../../ir/ops/index.js";
import { compareDims } from "../../../ir/ops/operands.js";
import { countOf } from "../../../ir/tensor.js";
import { intsConstant } from "../../rewrite/values.js";
import { evaluateNode } from "./evaluate.js";

/** A tensor whose elements are known up to the symbols: what shape arithmetic computes with. */
export interface Symbolic {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: readonly Dim[];
}

/** Longer lists are data, not shapes. */
export const MOST_SYMBOLIC = 4096;

/**
 * Evaluates shape arithmetic over symbolic dimensions, knowing that a symbol is at least 1: a comparison
 * that this settles is settled. Undefined where the result depends on the symbols or the op is not one.
 */
export function evaluateSymbolically(
  node: Node,
  operands: readonly (Symbolic | undefined)[],
  types: readonly ValueType[],
): readonly Symbolic[] | undefined {
  const { moves } = definitionOf(node.op).traits;
  if (moves.length > 0) return move(node, moves, operands, types);
  const [a, b] = operands;
  if (a === undefined || operands.some((o) => o?.elements.some(isFraction))) return undefined;
  const same = (elements: readonly (Dim | undefined)[] | undefined, dtype: DType, shape = a.shape) =>
    elements?.every((d) => d !== undefined)
      ? [{ dtype, shape, elements: elements as readonly Dim[] }]
      : undefined;
  switch (node.op) {
    case "cast":
      return node.attrs.to === "bool"
        ? same(
            a.elements.map((d) => flag(compareDims(d, 0), (s) => s !== 0)),
            "bool",
          )
        : same(a.elements, node.attrs.to);
    case "unary":
      return same(
        a.elements.map((d) => unary(node.attrs.fn, d)),
        a.dtype,
      );
    case "binary": {
      const shape = types[0]?.shape;
      if (b === undefined || !shape?.every((d) => typeof d === "number")) return undefined;
      const numeric = shape as readonly number[];
      const [x, y] = [broadcast(a, numeric), broadcast(b, numeric)];
      const exact = isFloat(a.dtype);
      return same(
        x.map((d, i) => binary(node.attrs.fn, d, y[i] ?? 0, exact)),
        types[0]?.dtype ?? a.dtype,
        numeric,
      );
    }
    case "reduce": {
      // Shape arithmetic reduces whole lists: element counts and extrema.
      const shape = types[0]?.shape;
      if (shape === undefined || shape === null || shape.some((d) => d !== 1)) return undefined;
      return same([reduceAll(node.attrs.fn, a.elements)], a.dtype, shape as readonly number[]);
    }
    case "range": {
      const [start, limit, delta] = operands.map((o) => o?.elements[0]);
      if (start === undefined || limit === undefined || delta === undefined) return undefined;
      const count = divDims(subDims(limit, start), delta);
      if (typeof count !== "number" || count > MOST_SYMBOLIC) return undefined;
      const elements = Array.from({ length: count }, (_, i) => addDims(start, mulDims(delta, i)));
      return [{ dtype: a.dtype, shape: [count], elements }];
    }
    default:
      return undefined;
  }
}

/** Lets the interpreter move indices in place of the elements of operands `moves`, then looks the elements up. */
function move(
  node: Node,
  moves: readonly number[] | "all",
  operands: readonly (Symbolic | undefined)[],
  types: readonly ValueType[],
): readonly Symbolic[] | undefined {
  // Where a part begins is an attribute, and may depend on the symbols.
  if (node.op === "part" && typeof node.attrs.start !== "number") return undefined;
  const table: Dim[] = [];
  const constants = new Map<ValueId, Constant>();
  const inputs: (ValueId | null)[] = [];
  let dtype: DType = "i64";
  for (const [i, id] of node.inputs.entries()) {
    const operand = operands[i];
    if (id === null) {
      inputs.push(null);
      continue;
    }
    if (operand === undefined) return undefined;
    const name = `operand${i}`;
    inputs.push(name);
    const isData = moves === "all" || moves.includes(i);
    if (isData) {
      dtype = operand.dtype;
      const base = table.length;
      table.push(...operand.elements);
      constants.set(
        name,
        intsConstant(
          operand.elements.map((_, j) => base + j),
          operand.shape,
        ),
      );
    } else {
      if (operand.elements.some((d) => typeof d !== "number")) return undefined;
      const plain = intsConstant(operand.elements, operand.shape);
      constants.set(
        name,
        operand.dtype === "bool" ? { ...plain, dtype: "bool", source: boolBytes(operand) } : plain,
      );
    }
  }
  const shapes = types.map((t) => ({ ...t, dtype: "i64" as const }));
  const results = evaluateNode({ ...node, inputs }, constants, shapes);
  return results.map((result) => ({
    dtype,
    shape: result.shape,
    elements: indices(result).map((i) => table[i] ?? 0),
  }));
}

function boolBytes(operand: Symbolic): Constant["source"] {
  return { kind: "inline", bytes: Uint8Array.from(operand.elements, (d) => (d === 0 ? 0 : 1)) };
}

function indices(constant: Constant): readonly number[] {
  if (constant.source.kind !== "inline") throw new Error("the interpreter gives inline constants");
  const { bytes } = constant.source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: countOf(constant.shape) }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}

/** Elements repeated to a broadcast shape. */
function broadcast(x: Symbolic, shape: readonly number[]): readonly Dim[] {
  const offset = shape.length - x.shape.length;
  return Array.from({ length: countOf(shape) }, (_, flat) => {
    let rest = flat;
    let index = 0;
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis] ?? 1;
      const own = x.shape[axis - offset];
      if (own !== undefined) {
        if (own !== 1) index += (rest % size) * stride;
        stride *= own;
      }
      rest = Math.floor(rest / size);
    }
    return x.elements[index] ?? 0;
  });
}

function flag(sign: -1 | 0 | 1 | undefined, test: (sign: -1 | 0 | 1) => boolean): Dim | undefined {
  return sign === undefined ? undefined : test(sign) ? 1 : 0;
}

function unary(fn: UnaryFn, d: Dim): Dim | undefined {
  const sign = compareDims(d, 0);
  switch (fn) {
    case "neg":
      return negateDim(d);
    case "abs":
      return sign === undefined ? undefined : sign < 0 ? negateDim(d) : d;
    case "sign":
      return sign;
    case "relu":
      return sign === undefined ? undefined : sign < 0 ? 0 : d;
    case "not":
      return flag(sign, (s) => s === 0);
    // Whole numbers are their own roundings.
    case "ceil":
    case "floor":
    case "round":
      return d;
    default:
      return undefined;
  }
}

function isFraction(d: Dim): boolean {
  return typeof d === "number" && !Number.isInteger(d);
}

/** Integer division truncates; `exact` ones (of floats) are given up unless they come out whole. */
function binary(fn: BinaryFn, a: Dim, b: Dim, exact = false): Dim | undefined {
  switch (fn) {
    case "add":
      return addDims(a, b);
    case "sub":
      return subDims(a, b);
    case "mul":
      return mulDims(a, b);
    case "div":
      if (b === 0) return undefined;
      return typeof a === "number" && typeof b === "number" && !exact ? Math.trunc(a / b) : divDims(a, b);
    case "mod":
    case "fmod":
      if (typeof a === "number" && typeof b === "number" && b !== 0)
        return fn === "fmod" ? a % b : ((a % b) + b) % b;
      return b !== 0 && divDims(a, b) !== undefined ? 0 : undefined;
    case "max":
    case "min": {
      const sign = compareDims(a, b);
      if (sign === undefined) return undefined;
      return sign >= 0 === (fn === "max") ? a : b;
    }
    case "equal":
      return flag(compareDims(a, b), (s) => s === 0);
    case "less":
      return flag(compareDims(a, b), (s) => s < 0);
    case "less-equal":
      return flag(compareDims(a, b), (s) => s <= 0);
    case "greater":
      return flag(compareDims(a, b), (s) => s > 0);
    case "greater-equal":
      return flag(compareDims(a, b), (s) => s >= 0);
    case "and":
      return a === 0 || b === 0 ? 0 : flag(compareDims(mulDims(a, b), 0), (s) => s !== 0);
    case "or":
      return typeof a === "number" && typeof b === "number" ? Number(a !== 0 || b !== 0) : undefined;
    default:
      return undefined;
  }
}

function reduceAll(fn: string, elements: readonly Dim[]): Dim | undefined {
  const fold = (f: BinaryFn): Dim | undefined =>
    elements
      .slice(1)
      .reduce<Dim | undefined>((sum, d) => (sum === undefined ? undefined : binary(f, sum, d)), elements[0]);
  if (fn === "prod") return elements.reduce<Dim>(mulDims, 1);
  if (fn === "sum") return elements.reduce<Dim>(addDims, 0);
  return fn === "max" || fn === "min" ? fold(fn) : undefined;
}
