import type { ByteReader, Constant } from "../../../ir/constant/constant.js";
import { encodeBytes } from "../../../ir/constant/convert.js";
import { readConstant } from "../../../ir/constant/read.js";
import type { Graph, Node, ValueId, ValueType } from "../../../ir/graph/graph.js";
import { interpret } from "../../../ir/interpret/index.js";
import type { Tensor } from "../../../ir/tensor.js";

const NO_READER: ByteReader = {
  read(file) {
    throw new Error(`operands are in memory; nothing reads ${file}`);
  },
};

/** Results of a node whose operands are all constant, computed by the interpreter. */
export function evaluateNode(
  node: Node,
  operands: ReadonlyMap<ValueId, Constant>,
  types: readonly ValueType[],
  reader: ByteReader = NO_READER,
): readonly Constant[] {
  // An empty name stands for a result that nothing reads; those come last.
  const outputs = node.outputs.filter((id) => id !== "");
  const typeMap = new Map<ValueId, ValueType>();
  for (const [id, { dtype, shape }] of operands) typeMap.set(id, { dtype, shape });
  for (const [i, id] of node.outputs.entries()) typeMap.set(id, types[i] ?? { dtype: "f32", shape: null });
  const graph: Graph = {
    name: "constant",
    inputs: [],
    outputs,
    types: typeMap,
    constants: operands,
    nodes: [node],
  };
  const results = interpret(graph, new Map(), { reader });
  return outputs.map((id) => inlineConstant(results.get(id) ?? missing(id)));
}

/** A tensor as a constant that holds its bytes. */
function inlineConstant(tensor: Tensor): Constant {
  const bytes = encodeBytes(tensor.dtype, tensor.data);
  return { dtype: tensor.dtype, shape: tensor.shape, source: { kind: "inline", bytes } };
}

/** The same values with their bytes at hand. */
export function materialize(constant: Constant, reader: ByteReader): Constant {
  return inlineConstant(readConstant(constant, reader));
}

function missing(id: ValueId): never {
  throw new Error(`the interpreter gave no value for ${id}`);
}
