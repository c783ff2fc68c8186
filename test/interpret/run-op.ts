import type { Graph, NodeOf, ValueType } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import type { Tensor } from "../../ir/tensor.js";

export const READER = {
  read(): Uint8Array {
    throw new Error("no files here");
  },
};

/** Runs one op on tensors. */
export function run<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  operands: readonly (Tensor | null)[],
  outputs = 1,
  precision: "f32" | "f64" = "f32",
): Tensor[] {
  const ids = operands.map((t, i) => (t === null ? null : `x${i}`));
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const node: NodeOf<K> = { op, inputs: ids, outputs: names, attrs };
  const types = new Map<string, ValueType>();
  operands.forEach((t, i) => {
    if (t !== null) types.set(`x${i}`, { dtype: t.dtype, shape: t.shape });
  });
  const graph: Graph = {
    name: "one op",
    inputs: ids.filter((id) => id !== null),
    outputs: names,
    types,
    constants: new Map(),
    nodes: [node as Graph["nodes"][number]],
  };
  const inputs = new Map(operands.flatMap((t, i) => (t === null ? [] : [[`x${i}`, t] as const])));
  const results = interpret(graph, inputs, { reader: READER, precision });
  return names.map((name) => results.get(name)!);
}
