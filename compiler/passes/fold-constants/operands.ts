import type { Constant } from "../../../ir/constant/constant.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Node } from "../../../ir/graph/graph.js";
import { dimsOf, intsConstant } from "../../rewrite/values.js";
import type { Symbolic } from "./symbolic.js";

/** Whether reading the constant needs more than its own bytes. */
export function isBulky(constant: Constant): boolean {
  const { kind } = constant.source;
  return kind !== "inline" && kind !== "fill" && dimsOf(constant) === undefined;
}

/** Symbolic elements as a constant: `dims` in i64 and rank 0 or 1, recipes over it otherwise. */
export function dimsConstant({ dtype, shape, elements }: Symbolic): Constant {
  const flat = intsConstant(elements, shape.length > 1 ? [elements.length] : shape);
  const shaped: Constant =
    shape.length > 1 ? { dtype: "i64", shape, source: { kind: "reshape", of: flat } } : flat;
  return dtype === "i64" ? shaped : { dtype, shape, source: { kind: "cast", of: shaped } };
}

/** Attributes that name a float type name f32. */
export function inSinglePrecision(node: Node): Node {
  switch (node.op) {
    case "cast":
      return isFloat(node.attrs.to) ? { ...node, attrs: { to: "f32" } } : node;
    case "constant-of-shape":
      return isFloat(node.attrs.dtype) ? { ...node, attrs: { ...node.attrs, dtype: "f32" } } : node;
    case "eye-like":
      return node.attrs.dtype !== null && isFloat(node.attrs.dtype)
        ? { ...node, attrs: { ...node.attrs, dtype: "f32" } }
        : node;
    case "sequence-construct":
      return node.attrs.dtype !== null && isFloat(node.attrs.dtype)
        ? { ...node, attrs: { dtype: "f32" } }
        : node;
    default:
      return node;
  }
}
