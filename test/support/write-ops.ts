import { withModelFile } from "../../compiler/train/engine/model-file.js";
import { portType } from "../../compiler/train/engine/values.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";
import type { OpAttrs, OpName } from "../../ir/ops/index.js";
import { inferNode } from "../../ir/ops/infer.js";
import type { Tensor } from "../../ir/tensor.js";
import { runOnnx } from "./run-onnx.js";

/** One operation on tensors, written as ONNX and run by ONNX Runtime. */
export async function writeOps<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  operands: readonly (Tensor | null)[],
): Promise<Tensor> {
  const ids = operands.map((t, i) => (t === null ? null : `x${i}`));
  const given = new Map(operands.flatMap((t, i) => (t === null ? [] : [[`x${i}`, t] as const])));
  const node = { op, inputs: ids, outputs: ["y"], attrs } as unknown as Node;
  const types = new Map<string, ValueType>(
    [...given].map(([id, { dtype, shape }]) => [id, { dtype, shape }] as const),
  );
  const [type] = inferNode(node, { types, ints: () => undefined, numbers: () => undefined });
  if (type === undefined) throw new Error(`${op} has no result`);
  types.set("y", type);
  const graph: Graph = {
    name: op,
    inputs: [...given.keys()],
    outputs: ["y"],
    types,
    constants: new Map(),
    nodes: [node],
  };
  const ports = new Map([...types.keys()].map((id) => [id, portType(graph, id)]));
  const reader = { read: () => new Uint8Array() };
  const results = await withModelFile(graph, ports, reader, (path) => runOnnx(path, given));
  const result = results.get("y");
  if (result === undefined) throw new Error(`${op} gave nothing`);
  return result;
}
