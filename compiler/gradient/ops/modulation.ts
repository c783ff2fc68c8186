import type { ValueId } from "../../../ir/graph/graph.js";
import type { Builder } from "../builder.js";
import { operand, type Section } from "../rules.js";

/** Shift, scale and gate of rows. */
export const modulation: Section<"modulation"> = {
  /** x·(1 + scale) + shift */
  modulate(b, node, [g]) {
    const [x, shift, scale] = [operand(node, 0), operand(node, 1), operand(node, 2)];
    return [b.mul(g, b.add(1, overRows(b, scale, x))), sumRows(b, g, shift), sumRows(b, b.mul(g, x), scale)];
  },

  /** residual + gate·y */
  "gated-residual"(b, node, [g]) {
    const [residual, gate, y] = [operand(node, 0), operand(node, 1), operand(node, 2)];
    return [b.reshape(g, b.shape(residual)), sumRows(b, b.mul(g, y), gate), b.mul(g, overRows(b, gate, y))];
  },
};

/** A [B, C] value so that it meets the tokens of [B, …, C]; others broadcast as they are. */
function overRows(b: Builder, value: ValueId, x: ValueId): ValueId {
  return b.reshape(value, rowShape(b, value, x));
}

function rowShape(b: Builder, value: ValueId, x: ValueId) {
  const shape = b.shape(value);
  const [batch = 1, channels = 1] = shape;
  if (shape.length !== 2) return shape;
  return [batch, ...Array.from({ length: Math.max(0, b.rank(x) - 2) }, () => 1), channels];
}

/** The gradient of what `overRows` spread. */
function sumRows(b: Builder, g: ValueId, value: ValueId): ValueId {
  return b.reshape(b.sumTo(g, rowShape(b, value, g)), b.shape(value));
}
