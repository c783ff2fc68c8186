import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, Node, ValueId, ValueType } from "../../ir/graph/graph.js";
import { UniqueNames } from "../../ir/unique-names.js";
import { pruneGraph } from "./order.js";

/**
 * A graph rewritten in one sweep from its inputs to its outputs, for passes that decide node by node: it starts
 * with the source's inputs, constants and types and no nodes, and the pass emits what replaces each node, in
 * topological order. Values keep their ids where their meaning stays, so graph outputs keep their names.
 * `GraphEditor` is for rules that apply until none does.
 */
export class ForwardEditor {
  readonly #graph: Graph;
  readonly #types: Map<ValueId, ValueType>;
  readonly #constants: Map<ValueId, Constant>;
  readonly #nodes: Node[] = [];
  readonly #names: UniqueNames;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#types = new Map(graph.types);
    this.#names = new UniqueNames(graph.types.keys());
    this.#constants = new Map(graph.constants);
  }

  /** Appends a node; its operands are there already. */
  emit(node: Node): void {
    this.#nodes.push(node);
  }

  /** A new value whose id starts with `base`. */
  value(base: string, type: ValueType): ValueId {
    const id = this.#names.claim(base);
    this.#types.set(id, type);
    return id;
  }

  /** A new constant whose id starts with `base`. */
  constant(base: string, constant: Constant): ValueId {
    const id = this.value(base, { dtype: constant.dtype, shape: constant.shape });
    this.#constants.set(id, constant);
    return id;
  }

  /** The finished graph, without the nodes, constants and types that no output needs. */
  finish(): Graph {
    return pruneGraph({
      ...this.#graph,
      nodes: this.#nodes,
      constants: this.#constants,
      types: this.#types,
    });
  }
}
