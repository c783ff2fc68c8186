import type { Constant } from "../../ir/constant/constant.js";
import type { DType } from "../../ir/dtype.js";
import type { Node, NodeOf, ValueId, ValueType } from "../../ir/graph/graph.js";
import type { OpName } from "../../ir/ops/index.js";

/** Hands out value ids: unique over a graph and all its subgraphs. */
export class ValueNames {
  private readonly taken = new Set<ValueId>();
  private readonly counters = new Map<string, number>();

  /** Takes a name that must keep its spelling (values of the main graph). */
  reserve(name: string): void {
    this.taken.add(name);
  }

  /** `base`, or `base.1`, `base.2`… if it is taken. */
  claim(base: string): ValueId {
    let id = base;
    for (let n = this.counters.get(base) ?? 0; this.taken.has(id); ) {
      n++;
      this.counters.set(base, n);
      id = `${base}.${n}`;
    }
    this.taken.add(id);
    return id;
  }
}

/** Collects the parts of one graph; a subgraph's builder sees the types and constants around it. */
export class GraphBuilder {
  readonly types = new Map<ValueId, ValueType>();
  readonly constants = new Map<ValueId, Constant>();
  readonly nodes: Node[] = [];

  constructor(
    readonly names: ValueNames,
    private readonly parent: GraphBuilder | null,
  ) {}

  typeOf(id: ValueId): ValueType {
    const type = this.types.get(id) ?? this.parent?.typeOf(id);
    if (type === undefined) throw new Error(`value ${id} has no type`);
    return type;
  }

  /** The constant a value is, or undefined if it is computed. */
  constantOf(id: ValueId): Constant | undefined {
    return this.constants.get(id) ?? this.parent?.constantOf(id);
  }

  addConstant(id: ValueId, constant: Constant): ValueId {
    this.types.set(id, { dtype: constant.dtype, shape: constant.shape });
    this.constants.set(id, constant);
    return id;
  }

  addNode<K extends OpName>(node: NodeOf<K>, types: readonly ValueType[]): void {
    node.outputs.forEach((id, k) => {
      const type = types[k];
      if (type === undefined) throw new Error(`no type for output ${k} of ${node.op}`);
      this.types.set(id, type);
    });
    // NodeOf<K> is one member of the union for each K, which the compiler does not see through a type variable.
    this.nodes.push(node as NodeOf<OpName> as Node);
  }
}

/** The type of a value of unknown shape. */
export function typed(dtype: DType): ValueType {
  return { dtype, shape: null };
}

/** Names of one graph or function body and the values they stand for. */
export class Scope {
  private readonly values = new Map<string, ValueId>();

  /** @param outer the scope around a subgraph; functions have none */
  constructor(private readonly outer: Scope | null) {}

  lookup(name: string): ValueId | undefined {
    return this.values.get(name) ?? this.outer?.lookup(name);
  }

  /** Whether this scope itself (not one around it) has the name. */
  owns(name: string): boolean {
    return this.values.has(name);
  }

  bind(name: string, id: ValueId): void {
    this.values.set(name, id);
  }
}
