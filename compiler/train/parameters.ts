import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { isBlockRole } from "../models/index.js";

/** A constant of a model that training changes. */
export interface Parameter {
  readonly id: ValueId;
  readonly constant: Constant;
  /** Whether it becomes s·t with t in {-1, 0, 1} and one s for each row: the weights of the blocks' linears. */
  readonly ternary: boolean;
}

/** Weights and biases of linears, and what norms multiply and add, each once, in the order in which they are met. */
export function parametersOf(graph: Graph): readonly Parameter[] {
  const found = new Map<ValueId, Parameter>();
  for (const node of graph.nodes) {
    for (const index of trainedOperands(node)) {
      const id = node.inputs[index];
      const constant = typeof id === "string" ? graph.constants.get(id) : undefined;
      if (typeof id !== "string" || constant === undefined || !isFloat(constant.dtype)) continue;
      const ternary = node.op === "linear" && index === 1 && isBlockRole(node.attrs.role);
      found.set(id, { id, constant, ternary: ternary || found.get(id)?.ternary === true });
    }
  }
  return [...found.values()];
}

function trainedOperands({ op }: Node): readonly number[] {
  switch (op) {
    case "linear":
    case "layer-norm":
      return [1, 2];
    case "rms-norm":
      return [1];
    default:
      return [];
  }
}
