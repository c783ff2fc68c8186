import {
  binary,
  cast,
  constant,
  type ElementType,
  type Expression,
  input,
  unary,
  where,
} from "../../../ir/families/expression.js";
import { dtypeOf, type Node, type NodeOf } from "../../../ir/graph/graph.js";
import { scalarOf } from "../../rewrite/values.js";
import { aliasOrCopy } from "../alias.js";
import { launchElementwise } from "../elementwise.js";
import type { Lowering } from "../lowering.js";
import { deviceDType, type Operand } from "../operand.js";

/** Ops of one output element each: an expression over operands, constants of one element written into it. */
export const pointwise = {
  unary: (l: Lowering, n: NodeOf<"unary">) => lower(l, n, ([x]) => unary(n.attrs.fn, x)),
  binary: (l: Lowering, n: NodeOf<"binary">) => lower(l, n, ([a, b]) => binary(n.attrs.fn, a, b)),
  where: (l: Lowering, n: NodeOf<"where">) => lower(l, n, ([c, a, b]) => where(c, a, b)),
  silu: (l: Lowering, n: NodeOf<"silu">) => lower(l, n, ([x]) => unary("silu", x)),
  gelu: (l: Lowering, n: NodeOf<"gelu">) =>
    lower(l, n, ([x]) => unary(n.attrs.approximate === "tanh" ? "gelu-tanh" : "gelu-erf", x)),
  /** x·(1 + scale) + shift */
  modulate: (l: Lowering, n: NodeOf<"modulate">) =>
    lower(l, n, ([x, shift, scale]) =>
      binary("add", binary("mul", x, binary("add", scale, constant(1))), shift),
    ),
  /** residual + gate·y */
  "gated-residual": (l: Lowering, n: NodeOf<"gated-residual">) =>
    lower(l, n, ([residual, gate, y]) => binary("add", residual, binary("mul", gate, y))),
  /** x ≥ 0 ? x : slope·x */
  prelu: (l: Lowering, n: NodeOf<"prelu">) =>
    lower(l, n, ([x, slope]) => where(binary("less", x, constant(0)), binary("mul", slope, x), x)),
  "leaky-relu": (l: Lowering, n: NodeOf<"leaky-relu">) =>
    lower(l, n, ([x]) => where(binary("less", x, constant(0)), binary("mul", x, constant(n.attrs.alpha)), x)),
  /** x > 0 ? x : α·(eˣ − 1) */
  elu: (l: Lowering, n: NodeOf<"elu">) =>
    lower(l, n, ([x]) => where(binary("less", x, constant(0)), scaledExp(x, n.attrs.alpha), x)),
  /** max(0, x) + min(0, α·(e^(x/α) − 1)) */
  celu: (l: Lowering, n: NodeOf<"celu">) =>
    lower(l, n, ([x]) =>
      where(
        binary("less", x, constant(0)),
        scaledExp(binary("div", x, constant(n.attrs.alpha)), n.attrs.alpha),
        x,
      ),
    ),
  /** γ·(x > 0 ? x : α·(eˣ − 1)) */
  selu: (l: Lowering, n: NodeOf<"selu">) =>
    lower(l, n, ([x]) =>
      binary(
        "mul",
        constant(n.attrs.gamma),
        where(binary("less", x, constant(0)), scaledExp(x, n.attrs.alpha), x),
      ),
    ),
  /** max(0, min(1, α·x + β)) */
  "hard-sigmoid": (l: Lowering, n: NodeOf<"hard-sigmoid">) =>
    lower(l, n, ([x]) => {
      const line = binary("add", binary("mul", x, constant(n.attrs.alpha)), constant(n.attrs.beta));
      return binary("max", binary("min", line, constant(1)), constant(0));
    }),
  "thresholded-relu": (l: Lowering, n: NodeOf<"thresholded-relu">) =>
    lower(l, n, ([x]) => where(binary("greater", x, constant(n.attrs.alpha)), x, constant(0))),
  /** x < −λ ? x + bias : x > λ ? x − bias : 0 */
  shrink: (l: Lowering, n: NodeOf<"shrink">) =>
    lower(l, n, ([x]) => {
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

type Operands = readonly [Expression, Expression, Expression];

function lower(lowering: Lowering, node: Node, make: (operands: Operands) => Expression): void {
  const inputs: Operand[] = [];
  const operand = (index: number): Expression => {
    const id = node.inputs[index];
    if (typeof id !== "string") return constant(0);
    const scalar = scalarOf(lowering.graph, id);
    const type = deviceDType(dtypeOf(lowering.graph, id));
    if (scalar !== undefined && (type !== "f32" || Number.isFinite(scalar))) {
      return constant(type === "f32" ? scalar : saturate(scalar, type), type);
    }
    inputs.push(lowering.operand(id));
    return input(inputs.length - 1);
  };
  const expression = make([operand(0), operand(1), operand(2)]);
  launchElementwise(lowering, expression, inputs, lowering.output(node));
}

/** 64-bit sentinels such as the largest i64 become the largest value of the 32-bit type. */
function saturate(value: number, type: ElementType): number {
  return type === "i32"
    ? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, value))
    : Math.max(0, Math.min(2 ** 32 - 1, value));
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
