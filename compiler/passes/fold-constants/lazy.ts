import type { Constant } from "../../../ir/constant/constant.js";
import type { Node, NodeOf, ValueId, ValueType } from "../../../ir/graph/graph.js";
import { definitionOf } from "../../../ir/ops/index.js";
import { sliceExtent } from "../../../ir/ops/slice.js";
import { countOf } from "../../../ir/tensor.js";
import { plainIntsOf } from "../../rewrite/values.js";

/**
 * Operations on weights that become recipes, so that no weight is read: reshapes, casts, 2-D transposes,
 * row and column ranges, concatenations, weight-only dequantization. Results in output order, or undefined.
 */
export function foldLazily(
  node: Node,
  constants: ReadonlyMap<ValueId, Constant>,
  types: readonly ValueType[],
): readonly Constant[] | undefined {
  const x = constants.get(node.inputs[0] ?? "");
  if (x === undefined) return undefined;
  const shapes = types.map((t) => numericShape(t));
  const shape = shapes[0];
  if (shape === undefined || shapes.includes(undefined)) return undefined;
  const one = (constant: Constant | undefined) => (constant === undefined ? undefined : [constant]);
  if (definitionOf(node.op).traits.reshapes) return [reshapeConstant(x, shape)];
  switch (node.op) {
    case "cast":
      return [castConstant(x, node.attrs.to)];
    case "transpose":
      return one(transposeConstant(x, node.attrs.perm, shape));
    case "concat":
      return one(concatenation(node, constants));
    case "slice":
      return one(slice(node, x, constants));
    case "split":
      return split(x, shapes, node.attrs.axis);
    case "part": {
      const { axis, start, length } = node.attrs;
      return typeof start === "number" && typeof length === "number"
        ? one(range(x, axis, start, length))
        : undefined;
    }
    case "gather": {
      const index = constants.get(node.inputs[1] ?? "");
      const at = plainIntsOf({ constants }, node.inputs[1])?.[0];
      if (index === undefined || at === undefined || countOf(index.shape) !== 1) return undefined;
      const axis = node.attrs.axis < 0 ? node.attrs.axis + x.shape.length : node.attrs.axis;
      const piece = range(x, axis, at < 0 ? at + (x.shape[axis] ?? 0) : at, 1);
      return one(piece && reshapeConstant(piece, shape));
    }
    case "expand":
    case "tile":
      return countOf(x.shape) === 1 && x.source.kind === "fill"
        ? [{ dtype: x.dtype, shape, source: x.source }]
        : undefined;
    case "dequantize-linear":
      return one(dequantization(node, constants, x));
    default:
      return undefined;
  }
}

function numericShape(type: ValueType): readonly number[] | undefined {
  return type.shape?.every((d) => typeof d === "number") ? (type.shape as readonly number[]) : undefined;
}

/** The constant in another dtype: itself, a fill, or a recipe. */
export function castConstant(x: Constant, to: Constant["dtype"]): Constant {
  if (x.dtype === to) return x;
  if (x.source.kind === "fill" && (to === "f32" || to === "f64")) return { ...x, dtype: to };
  return { dtype: to, shape: x.shape, source: { kind: "cast", of: x } };
}

/** The constant in another shape of as many elements: itself, or a recipe. */
export function reshapeConstant(x: Constant, shape: readonly number[]): Constant {
  if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x;
  const { source } = x;
  if (source.kind === "fill" || source.kind === "inline") return { ...x, shape };
  // reshape(reshape(x)) = reshape(x)
  return {
    dtype: x.dtype,
    shape,
    source: { kind: "reshape", of: source.kind === "reshape" ? source.of : x },
  };
}

/** A transpose that moves only dimensions of size 1 is a reshape; a matrix keeps its recipe. */
function transposeConstant(
  x: Constant,
  permutation: readonly number[] | null,
  shape: readonly number[],
): Constant | undefined {
  const perm = permutation ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  const moved = perm.filter((p) => x.shape[p] !== 1);
  if (moved.every((p, i) => i === 0 || p > (moved[i - 1] ?? 0))) return reshapeConstant(x, shape);
  if (x.shape.length !== 2) return undefined;
  return transposed(x);
}

/** [c, r] → [r, c] */
export function transposed(x: Constant): Constant {
  const [rows = 1, columns = 1] = x.shape;
  const shape = [columns, rows];
  if (x.source.kind === "fill") return { ...x, shape };
  if (rows === 1 || columns === 1) return reshapeConstant(x, shape);
  // transpose(transpose(x)) = x
  if (x.source.kind === "transpose") return x.source.of;
  return { dtype: x.dtype, shape, source: { kind: "transpose", of: x } };
}

/** `length` indices of an axis from `start`: rows, or columns of a matrix. */
function range(x: Constant, axis: number, start: number, length: number): Constant | undefined {
  if (length === x.shape[axis] && start === 0) return x;
  if (x.source.kind === "fill") return { ...x, shape: x.shape.map((d, i) => (i === axis ? length : d)) };
  const before = x.shape.slice(0, axis);
  if (before.every((d) => d === 1)) {
    const rest = x.shape.slice(axis);
    const rows: Constant = {
      dtype: x.dtype,
      shape: [length, ...rest.slice(1)],
      source: { kind: "rows", of: reshapeConstant(x, rest), start },
    };
    return reshapeConstant(rows, [...before, ...rows.shape]);
  }
  if (axis !== 1 || x.shape.length !== 2) return undefined;
  const columns = range(transposed(x), 0, start, length);
  return columns && transposed(columns);
}

function slice(
  node: NodeOf<"slice">,
  x: Constant,
  constants: ReadonlyMap<ValueId, Constant>,
): Constant | undefined {
  const ints = (i: number) => plainIntsOf({ constants }, node.inputs[i]);
  const [starts, ends, axes, steps] = [ints(1), ints(2), ints(3), ints(4)];
  if (starts === undefined || ends === undefined || steps?.some((s) => s !== 1)) return undefined;
  let result: Constant | undefined = x;
  for (const [i, start] of starts.entries()) {
    if (result === undefined) return undefined;
    const given = axes?.[i] ?? i;
    const axis = given < 0 ? given + x.shape.length : given;
    const extent = sliceExtent(result.shape[axis] ?? 1, start, ends[i] ?? 0, 1);
    if (typeof extent?.start !== "number" || typeof extent.length !== "number") return undefined;
    result = range(result, axis, extent.start, extent.length);
  }
  return result;
}

function split(
  x: Constant,
  shapes: readonly (readonly number[] | undefined)[],
  axisAttr: number,
): readonly Constant[] | undefined {
  const axis = axisAttr < 0 ? axisAttr + x.shape.length : axisAttr;
  const parts: Constant[] = [];
  let start = 0;
  for (const shape of shapes) {
    const length = shape?.[axis] ?? 0;
    const part = range(x, axis, start, length);
    if (part === undefined) return undefined;
    parts.push(part);
    start += length;
  }
  return parts;
}

function concatenation(
  node: NodeOf<"concat">,
  constants: ReadonlyMap<ValueId, Constant>,
): Constant | undefined {
  const parts: Constant[] = [];
  for (const id of node.inputs) {
    const part = constants.get(id ?? "");
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return concatConstants(parts, node.attrs.axis);
}

function concatConstants(parts: readonly Constant[], axisAttr: number): Constant | undefined {
  const [first] = parts;
  if (first === undefined || parts.some((p) => p.dtype !== first.dtype)) return undefined;
  if (parts.length === 1) return first;
  const axis = axisAttr < 0 ? axisAttr + first.shape.length : axisAttr;
  if (axis === 0) {
    const rows = parts.reduce((sum, p) => sum + (p.shape[0] ?? 0), 0);
    return {
      dtype: first.dtype,
      shape: [rows, ...first.shape.slice(1)],
      source: { kind: "concat", of: parts },
    };
  }
  if (axis !== 1 || first.shape.length !== 2) return undefined;
  const rows = concatConstants(parts.map(transposed), 0);
  return rows && transposed(rows);
}

function dequantization(
  node: NodeOf<"dequantize-linear">,
  constants: ReadonlyMap<ValueId, Constant>,
  codes: Constant,
): Constant | undefined {
  const scale = constants.get(node.inputs[1] ?? "");
  const zero = node.inputs[2] ?? null;
  const zeroPoint = zero === null ? null : (constants.get(zero) ?? null);
  if (scale === undefined || (zero !== null && zeroPoint === null)) return undefined;
  const { axis, blockSize } = node.attrs;
  return {
    dtype: scale.dtype,
    shape: codes.shape,
    source: {
      kind: "dequantize",
      codes,
      scale,
      zeroPoint,
      axis: axis < 0 ? axis + codes.shape.length : axis,
      blockSize,
    },
  };
}
