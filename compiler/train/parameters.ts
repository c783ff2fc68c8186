import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { roleOf } from "../../ir/models/index.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { isBlockRole } from "../models/index.js";

/** A constant of a model that training changes. */
export interface Parameter {
  readonly id: ValueId;
  /** What it is in the model, whatever files call it: `double.0.img.q.bias`, `double.0.img.q.rms-norm.weight`. */
  readonly role: string;
  readonly constant: Constant;
  /** Whether it becomes s·t with t in {-1, 0, 1}: the weights of the blocks' linears. */
  readonly ternary: boolean;
  /** Inputs of a row that share an s then; null: all of them. */
  readonly group: GroupSize | null;
}

/**
 * Weights and biases of linears, and what norms multiply and add, each once, in the order in which they are met.
 *
 * @param group of ternary weights; rows that are no longer have one scale
 */
export function parametersOf(graph: Graph, group: GroupSize | null = null): readonly Parameter[] {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const found = new Map<ValueId, Parameter>();
  for (const node of graph.nodes) {
    for (const [index, name] of trainedOperands(node)) {
      const id = node.inputs[index];
      const constant = typeof id === "string" ? graph.constants.get(id) : undefined;
      if (typeof id !== "string" || constant === undefined || !isFloat(constant.dtype)) continue;
      const isWeight = node.op === "linear" && index === 1 && isBlockRole(node.attrs.role);
      const before = found.get(id);
      const role = before?.role ?? `${placeOf(graph, producers, node.outputs[0] ?? "")}.${name}`;
      const ternary = isWeight || before?.ternary === true;
      const isDivided = ternary && group !== null && group < (constant.shape[1] ?? 0);
      found.set(id, { id, role, constant, ternary, group: isDivided ? group : null });
    }
  }
  return [...found.values()];
}

/** Which operands of a node training changes, and what they are. */
export function trainedOperands({ op }: Node): readonly (readonly [index: number, name: string])[] {
  switch (op) {
    case "linear":
    case "layer-norm":
      return [
        [1, "weight"],
        [2, "bias"],
      ];
    case "rms-norm":
      return [[1, "weight"]];
    default:
      return [];
  }
}

/** Where a value is in a model: the next linear or input before it, and the operations from there on. */
function placeOf(graph: Graph, producers: ReadonlyMap<ValueId, Node>, value: ValueId): string {
  const since: string[] = [];
  for (let id = value; ; ) {
    const node = producers.get(id);
    if (node === undefined) return [roleOf(graph.model, id) ?? id, ...since].join(".");
    if (node.op === "linear" && node.attrs.role !== null) return [node.attrs.role, ...since].join(".");
    since.unshift(node.op === "part" ? `part-${node.attrs.start}` : node.op);
    id = node.inputs[0] ?? "";
  }
}
