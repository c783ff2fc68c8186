import {
  binary,
  cast,
  constant,
  type Expression,
  input,
  unary,
  where,
} from "../../../ir/families/expression.js";
import { dtypeOf, type NodeOf } from "../../../ir/graph/graph.js";
import { aliasOrCopy } from "../alias.js";
import { launchElementwise } from "../elementwise.js";
import { lowerExpression } from "../expression.js";
import type { Lowering } from "../lowering.js";
import { deviceDType } from "../operand.js";
import type { Section } from "../rules.js";

/** Ops of one output element each. */
export const elementwise: Section<"elementwise"> = {
  unary: (l, n) => lowerExpression(l, n, ([x]) => unary(n.attrs.fn, x)),
  binary: (l, n) => lowerExpression(l, n, ([a, b]) => binary(n.attrs.fn, a, b)),
  where: (l, n) => lowerExpression(l, n, ([c, a, b]) => where(c, a, b)),
  silu: (l, n) => lowerExpression(l, n, ([x]) => unary("silu", x)),
  swiglu: (l, n) => lowerExpression(l, n, ([gate, value]) => binary("mul", unary("silu", gate), value)),
  gelu: (l, n) =>
    lowerExpression(l, n, ([x]) => unary(n.attrs.approximate === "tanh" ? "gelu-tanh" : "gelu-erf", x)),
  /** x ≥ 0 ? x : slope·x */
  prelu: (l, n) =>
    lowerExpression(l, n, ([x, slope]) => where(binary("less", x, constant(0)), binary("mul", slope, x), x)),
  "leaky-relu": (l, n) =>
    lowerExpression(l, n, ([x]) =>
      where(binary("less", x, constant(0)), binary("mul", x, constant(n.attrs.alpha)), x),
    ),
  /** x > 0 ? x : α·(eˣ − 1) */
  elu: (l, n) =>
    lowerExpression(l, n, ([x]) => where(binary("less", x, constant(0)), scaledExp(x, n.attrs.alpha), x)),
  /** max(0, x) + min(0, α·(e^(x/α) − 1)) */
  celu: (l, n) =>
    lowerExpression(l, n, ([x]) =>
      where(
        binary("less", x, constant(0)),
        scaledExp(binary("div", x, constant(n.attrs.alpha)), n.attrs.alpha),
        x,
      ),
    ),
  /** γ·(x > 0 ? x : α·(eˣ − 1)) */
  selu: (l, n) =>
    lowerExpression(l, n, ([x]) =>
      binary(
        "mul",
        constant(n.attrs.gamma),
        where(binary("less", x, constant(0)), scaledExp(x, n.attrs.alpha), x),
      ),
    ),
  /** max(0, min(1, α·x + β)) */
  "hard-sigmoid": (l, n) =>
    lowerExpression(l, n, ([x]) => {
      const line = binary("add", binary("mul", x, constant(n.attrs.alpha)), constant(n.attrs.beta));
      return binary("max", binary("min", line, constant(1)), constant(0));
    }),
  "thresholded-relu": (l, n) =>
    lowerExpression(l, n, ([x]) => where(binary("greater", x, constant(n.attrs.alpha)), x, constant(0))),
  /** x < −λ ? x + bias : x > λ ? x − bias : 0 */
  shrink: (l, n) =>
    lowerExpression(l, n, ([x]) => {
      const above = where(
        binary("greater", x, constant(n.attrs.lambd)),
        binary("sub", x, constant(n.attrs.bias)),
        constant(0),
      );
      return where(
        binary("less", x, constant(-n.attrs.lambd)),
        binary("add", x, constant(n.attrs.bias)),
        above,
      );
    }),
  cast: lowerCast,
};

function scaledExp(x: Expression, alpha: number): Expression {
  return binary("mul", constant(alpha), binary("sub", unary("exp", x), constant(1)));
}

function lowerCast(lowering: Lowering, node: NodeOf<"cast">): void {
  const x = lowering.input(node, 0);
  const [id = ""] = node.outputs;
  const { to } = node.attrs;
  const type = deviceDType(to);
  const from = dtypeOf(lowering.graph, node.inputs[0] ?? "");
  if (to === "bool" && from !== "bool") {
    const isZero = binary("equal", input(0), constant(0, deviceDType(from)));
    launchElementwise(lowering, unary("not", isZero), [x], lowering.output(node));
  } else if (type === x.dtype) aliasOrCopy(lowering, id, x);
  else launchElementwise(lowering, cast(type, input(0)), [x], lowering.output(node));
}
