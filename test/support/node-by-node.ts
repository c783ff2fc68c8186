import type { Compiled } from "../../compiler/compile-graph.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import type { Node, ValueId } from "../../ir/graph/graph.js";
import { bindSymbols, interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { loadCompiled } from "./run-compiled.js";

/** A value of the graph that kernels leave in memory, and what the interpreter makes of the operands that they had. */
export interface ComparedValue {
  readonly node: Node;
  readonly id: ValueId;
  readonly found: Tensor;
  readonly wanted: Tensor;
  /** An operation on the node's operands by the interpreter in f64. */
  exactly(op: Node): Tensor;
}

/**
 * One forward pass, node by node. Since every node is given the kernels' own operands, what one node rounds otherwise is not
 * carried on to the next, and differences are each node's own.
 */
export async function nodeByNode(
  compiled: Compiled,
  reader: ByteReader,
  device: Device,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<readonly ComparedValue[]> {
  const { graph, lowered } = compiled;
  // A place for each value: none is overwritten.
  const buffers = lowered.program.buffers.map((buffer, slot) =>
    buffer.storage.kind === "arena" ? { ...buffer, storage: { kind: "arena", slot } as const } : buffer,
  );
  const program = { ...lowered.program, buffers };
  const loaded = await loadCompiled({ ...compiled, lowered: { ...lowered, program } }, reader, device);
  try {
    await evaluateBundle(loaded, program, inputs);
    const kept = new Set(buffers.flatMap(({ id, storage }) => (storage.kind === "arena" ? [id] : [])));
    const bindings = bindSymbols(graph, inputs);
    const values = new Map(inputs);
    const compared: ComparedValue[] = [];
    for (const node of graph.nodes) {
      const ids = node.inputs.filter((id) => id !== null && values.has(id)) as ValueId[];
      const operands = new Map(ids.map((id) => [id, values.get(id)!]));
      const run = (one: Node, precision: "f32" | "f64") =>
        interpret({ ...graph, inputs: ids, nodes: [one], outputs: one.outputs }, operands, {
          ...{ reader, bindings, precision },
        });
      for (const [id, wanted] of run(node, "f32")) {
        values.set(id, wanted);
        if (!kept.has(id)) continue;
        const found = { ...wanted, data: (await loaded.read(id)) as Tensor["data"] };
        values.set(id, found);
        const exactly = (op: Node) => run(op, "f64").get(op.outputs[0] ?? "")!;
        compared.push({ node, id, found, wanted, exactly });
      }
    }
    return compared;
  } finally {
    await loaded.close();
  }
}
