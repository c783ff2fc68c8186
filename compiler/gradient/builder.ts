import { type Dim, elementCount, type Shape, sameShape } from "../../ir/dim.js";
import type { ValueId } from "../../ir/graph/graph.js";
import type { BinaryFn, UnaryFn } from "../../ir/ops/elementwise.js";
import type { GraphEditor } from "../rewrite/graph-editor.js";

/** A value, or a number that stands for a scalar of the other operand's type. */
export type Term = ValueId | number;

/** Writes formulas into a graph: each call adds a node, or none where there is nothing to do. */
export class Builder {
  constructor(readonly editor: GraphEditor) {}

  /** Throws where the rank is unknown, which is so for no recognized graph. */
  shape(id: ValueId): Shape {
    const { shape } = this.editor.type(id);
    if (shape === null) throw new Error(`the shape of ${id} is unknown`);
    return shape;
  }

  rank(id: ValueId): number {
    return this.shape(id).length;
  }

  /** The last axis. */
  channels(id: ValueId): Dim {
    return this.shape(id).at(-1) ?? 1;
  }

  add(a: Term, b: Term): ValueId {
    return this.binary("add", a, b);
  }

  sub(a: Term, b: Term): ValueId {
    return this.binary("sub", a, b);
  }

  mul(a: Term, b: Term): ValueId {
    return this.binary("mul", a, b);
  }

  div(a: Term, b: Term): ValueId {
    return this.binary("div", a, b);
  }

  binary(fn: BinaryFn, a: Term, b: Term): ValueId {
    const like = typeof a === "string" ? a : typeof b === "string" ? b : undefined;
    return this.editor.add("binary", [this.#value(a, like), this.#value(b, like)], { fn });
  }

  unary(fn: UnaryFn, x: ValueId): ValueId {
    return this.editor.add("unary", [x], { fn });
  }

  #value(term: Term, like: ValueId | undefined): ValueId {
    return typeof term === "string" ? term : this.fill(term, [], like);
  }

  /** A constant of one number everywhere, of the element type of `like`. */
  fill(value: number, shape: Shape, like?: ValueId): ValueId {
    const dtype = like === undefined ? "f32" : this.editor.type(like).dtype;
    const numbers = shape.filter((dim) => typeof dim === "number");
    if (numbers.length === shape.length)
      return this.editor.constant({ dtype, shape: numbers, source: { kind: "fill", value } }, "fill");
    return this.editor.add("constant-of-shape", [this.editor.ints(shape)], { value, dtype });
  }

  reshape(x: ValueId, shape: Shape): ValueId {
    if (sameShape(this.shape(x), shape)) return x;
    return this.editor.add("reshape", [x, this.editor.ints(shape)], { allowZero: true });
  }

  transpose(x: ValueId, perm: readonly number[]): ValueId {
    return perm.every((axis, i) => axis === i) ? x : this.editor.add("transpose", [x], { perm });
  }

  /** The last two axes exchanged. */
  transposeMatrix(x: ValueId): ValueId {
    const rank = this.rank(x);
    const axes = Array.from({ length: rank }, (_, i) => i);
    return this.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
  }

  /** Along some axes, which stay with size 1 unless `keepDims` says otherwise; none of them: `x` itself. */
  reduce(fn: "sum" | "mean", x: ValueId, axes: readonly number[], keepDims = true): ValueId {
    if (axes.length === 0) return x;
    const attrs = { fn, keepDims, noopWithEmptyAxes: false };
    return this.editor.add("reduce", [x, this.editor.ints(axes)], attrs);
  }

  /** The sum of the squares of all elements, of shape []. */
  sumSquares(x: ValueId): ValueId {
    return this.editor.add("reduce", [x], { fn: "sum-square", keepDims: false, noopWithEmptyAxes: false });
  }

  /** The sum over the axes along which a value of `shape` was repeated to become as large as `x`. */
  sumTo(x: ValueId, shape: Shape): ValueId {
    const from = this.shape(x);
    const lead = from.length - shape.length;
    const repeated = from.flatMap((size, axis) =>
      axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
    );
    return this.reshape(this.reduce("sum", x, repeated), shape);
  }

  /** `x` repeated along the axes that it has once or not at all. */
  expand(x: ValueId, shape: Shape): ValueId {
    return sameShape(this.shape(x), shape) ? x : this.editor.add("expand", [x, this.editor.ints(shape)], {});
  }

  matmul(a: ValueId, b: ValueId): ValueId {
    return this.editor.add("matmul", [a, b], {});
  }

  /** op(a)·op(b) of matrices. */
  gemm(a: ValueId, b: ValueId, { transA = false, transB = false } = {}): ValueId {
    return this.editor.add("gemm", [a, b], { alpha: 1, beta: 1, transA, transB });
  }

  /** All axes but the last as one. */
  matrix(x: ValueId): ValueId {
    const shape = this.shape(x);
    return this.reshape(x, [elementCount(shape.slice(0, -1)), shape.at(-1) ?? 1]);
  }

  part(x: ValueId, axis: number, start: Dim, length: Dim): ValueId {
    if (start === 0 && this.shape(x)[axis] === length) return x;
    return this.editor.add("part", [x], { axis, start, length });
  }

  concat(parts: readonly ValueId[], axis: number): ValueId {
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : this.editor.add("concat", parts, { axis });
  }
}
