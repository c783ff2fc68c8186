import { binary, constant } from "../../../ir/families/expression.js";
import { lowerExpression } from "../expression.js";
import { columnsOf, rowsArg, rowsOf, stored } from "../operand.js";
import { fixed, perRowOrOnce } from "../rows.js";
import type { Section } from "../rules.js";

/** Shift, scale and gate of rows. */
export const modulation: Section<"modulation"> = {
  /** x·(1 + scale) + shift */
  modulate: (l, n) =>
    lowerExpression(l, n, ([x, shift, scale]) =>
      binary("add", binary("mul", x, binary("add", scale, constant(1))), shift),
    ),
  /** residual + gate·y */
  "gated-residual": (l, n) =>
    lowerExpression(l, n, ([residual, gate, y]) => binary("add", residual, binary("mul", gate, y))),

  adaln(l, node) {
    const out = l.output(node);
    const rows = rowsOf(out.shape);
    l.launch({
      family: "adaln",
      params: { c: fixed(columnsOf(out.shape)), epsilon: node.attrs.epsilon, ...stored("out", out) },
      rows,
      args: [
        rowsArg(l.input(node, 0)),
        perRowOrOnce(l.input(node, 1), out),
        perRowOrOnce(l.input(node, 2), out),
        rowsArg(out),
      ],
    });
  },
};
