import type { Constant } from "../ir/constant/constant.js";
import type { Dim, Shape } from "../ir/dim.js";
import type { DType } from "../ir/dtype.js";
import type { Graph, Node, ValueId, ValueType } from "../ir/graph/graph.js";
import type { OpAttrs, OpName } from "../ir/ops/index.js";
import { inferNode } from "../ir/ops/infer.js";
import { intsOf } from "./rewrite/values.js";

export type Operands = readonly (ValueId | null)[];

/** A graph in the making: inputs, constants and nodes are added in order, and types are inferred. */
export class GraphBuilder {
  readonly #types = new Map<ValueId, ValueType>();
  readonly #constants = new Map<ValueId, Constant>();
  readonly #nodes: Node[] = [];
  readonly #inputs: ValueId[] = [];

  input(id: ValueId, shape: readonly Dim[], dtype: DType = "f32"): ValueId {
    this.#inputs.push(id);
    this.#types.set(id, { dtype, shape });
    return id;
  }

  constant(id: ValueId, constant: Constant): ValueId {
    this.#constants.set(id, constant);
    this.#types.set(id, { dtype: constant.dtype, shape: constant.shape });
    return id;
  }

  /** A node of one result, which it returns. Throws TRITC_E_SHAPE where operands do not fit. */
  node<K extends OpName>(id: ValueId, op: K, inputs: Operands, attrs: OpAttrs[K]): ValueId {
    this.emit(op, inputs, [id], attrs);
    return id;
  }

  emit<K extends OpName>(op: K, inputs: Operands, outputs: readonly ValueId[], attrs: OpAttrs[K]): void {
    // The union of all ops cannot be rebuilt from a generic K without saying so.
    const node = { op, inputs, outputs, attrs } as unknown as Node;
    const ints = (id: ValueId) => intsOf({ constants: this.#constants }, id);
    const types = inferNode(node, { types: this.#types, ints, numbers: () => undefined });
    for (const [i, id] of outputs.entries()) {
      const type = types[i];
      if (type !== undefined) this.#types.set(id, type);
    }
    this.#nodes.push(node);
  }

  /** The shape of a value, which is known of all that builders make. */
  shapeOf(id: ValueId): Shape {
    const shape = this.#types.get(id)?.shape;
    if (shape === undefined || shape === null) throw new Error(`the shape of ${id} is unknown`);
    return shape;
  }

  graph(name: string, outputs: readonly ValueId[]): Graph {
    return {
      name,
      inputs: this.#inputs,
      outputs,
      types: this.#types,
      constants: this.#constants,
      nodes: this.#nodes,
    };
  }
}
