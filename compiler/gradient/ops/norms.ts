import { divDims, type Shape } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Builder } from "../builder.js";
import { operand, optional, type Section } from "../rules.js";

/** Norms of rows. With n = (x − mean)·r, r = 1/√(variance + ε) and h = dy·scale: dx = r·(h − mean(h) − n·mean(h·n)). */
export const norms: Section<"norms"> = {
  "layer-norm"(b, node, [g]) {
    const [x, scale, bias] = [operand(node, 0), optional(node, 1), optional(node, 2)];
    const rank = b.rank(x);
    const first = node.attrs.axis < 0 ? node.attrs.axis + rank : node.attrs.axis;
    const axes = Array.from({ length: rank - first }, (_, i) => first + i);
    const centered = b.sub(x, b.reduce("mean", x, axes));
    const { normal, inverse } = normalized(b, centered, axes, node.attrs.epsilon);
    const h = scale === null ? g : b.mul(g, scale);
    const dx = b.sub(slope(b, h, normal, inverse, axes), b.mul(inverse, b.reduce("mean", h, axes)));
    return [
      dx,
      scale === null ? null : b.sumTo(b.mul(g, normal), b.shape(scale)),
      bias === null ? null : b.sumTo(g, b.shape(bias)),
    ];
  },

  /** Without the mean; `group` channels of the last axis together. */
  "rms-norm"(b, node, [g]) {
    const [x, scale] = [operand(node, 0), optional(node, 1)];
    const { group, axis, epsilon } = node.attrs;
    const shape = b.shape(x);
    const grouped: Shape =
      group === 0 ? shape : [...shape.slice(0, -1), divDims(shape.at(-1) ?? 1, group) ?? 1, group];
    const first = group === 0 ? (axis < 0 ? axis + shape.length : axis) : grouped.length - 1;
    const axes = Array.from({ length: grouped.length - first }, (_, i) => first + i);
    const [rows, dy] = [b.reshape(x, grouped), b.reshape(g, grouped)];
    const { normal, inverse } = normalized(b, rows, axes, epsilon);
    const h = scale === null ? dy : b.mul(dy, scale);
    return [
      b.reshape(slope(b, h, normal, inverse, axes), shape),
      scale === null ? null : b.sumTo(b.mul(dy, normal), b.shape(scale)),
    ];
  },
};

/** x·r with r = 1/√(mean(x²) + ε) along axes. */
function normalized(b: Builder, x: ValueId, axes: readonly number[], epsilon: number) {
  const variance = b.reduce("mean", b.mul(x, x), axes);
  const inverse = b.unary("reciprocal", b.unary("sqrt", b.add(variance, epsilon)));
  return { normal: b.mul(x, inverse), inverse };
}

/** r·(h − n·mean(h·n)) */
function slope(b: Builder, h: ValueId, normal: ValueId, inverse: ValueId, axes: readonly number[]): ValueId {
  const along = b.reduce("mean", b.mul(h, normal), axes);
  return b.mul(inverse, b.sub(h, b.mul(normal, along)));
}
