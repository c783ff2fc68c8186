import { constant, type ElementType, type Expression, input } from "../../ir/families/expression.js";
import { dtypeOf, type Node } from "../../ir/graph/graph.js";
import { scalarOf } from "../rewrite/values.js";
import { launchElementwise } from "./elementwise.js";
import type { Lowering } from "./lowering.js";
import { deviceDType, type Operand } from "./operand.js";

type Operands = readonly [Expression, Expression, Expression];

/** The node as an expression over its first three operands; constants of one element are written into it. */
export function lowerExpression(
  lowering: Lowering,
  node: Node,
  make: (operands: Operands) => Expression,
): void {
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
