import { addDims, type Dim } from "../../../ir/dim.js";
import { type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import { producersOf } from "../../analysis/uses.js";
import { describeOp } from "../../recognize/known-ops.js";
import { Unrecognized } from "../family.js";

export type Linear = NodeOf<"linear">;

/** Read-only dataflow over a recognized graph: who makes a value, who reads it, where a stream comes from. */
export class FluxWalk {
  readonly graph: Graph;
  readonly #producers: ReadonlyMap<ValueId, Node>;
  readonly #consumers = new Map<ValueId, Node[]>();
  readonly #starts = new Map<string, Linear | undefined>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.#producers = producersOf(graph);
    for (const node of graph.nodes) {
      for (const input of new Set(node.inputs)) {
        if (input === null) continue;
        const list = this.#consumers.get(input);
        if (list === undefined) this.#consumers.set(input, [node]);
        else list.push(node);
      }
    }
  }

  producer(id: ValueId | null | undefined): Node | undefined {
    return id === null || id === undefined ? undefined : this.#producers.get(id);
  }

  consumers(id: ValueId | undefined): readonly Node[] {
    return id === undefined ? [] : (this.#consumers.get(id) ?? []);
  }

  /** The graph input a value is, casts and reshapes apart. */
  inputOf(id: ValueId | null | undefined): ValueId | undefined {
    if (id === null || id === undefined) return undefined;
    if (this.graph.inputs.includes(id)) return id;
    const node = this.producer(id);
    if (node?.op !== "cast" && node?.op !== "reshape" && node?.op !== "expand") return undefined;
    return this.inputOf(node.inputs[0]);
  }

  /** The linear below channel parts, joins, norms, rotations and reshapes, one per stream of tokens. */
  sources(id: ValueId | null | undefined): readonly (Linear | undefined)[] {
    return this.ends(id).map((end) => {
      const node = this.producer(end);
      return node?.op === "linear" ? node : undefined;
    });
  }

  /** The values at which `sources` stops. */
  ends(id: ValueId | null | undefined): readonly (ValueId | null | undefined)[] {
    const node = this.producer(id);
    switch (node?.op) {
      case "rope":
      case "rms-norm":
      case "reshape":
      case "cast":
        return this.ends(node.inputs[0]);
      case "part":
        return this.isTokenAxis(node, node.attrs.axis) ? [id] : this.ends(node.inputs[0]);
      case "concat":
        return this.isTokenAxis(node, node.attrs.axis) ? node.inputs.flatMap((i) => this.ends(i)) : [id];
      default:
        return [id];
    }
  }

  /** What a recognition that cannot go on at a value throws: what was expected there, and what makes the value. */
  stop(id: ValueId | null | undefined, expected: string): Unrecognized {
    const node = this.producer(id);
    if (node !== undefined) return new Unrecognized(node.name ?? id ?? "", expected, describeOp(node));
    const found = this.graph.inputs.includes(id ?? "") ? "an input of the model" : "a constant";
    return new Unrecognized(id ?? "the graph", expected, id == null ? "nothing" : found);
  }

  isTokenAxis(node: Node, axis: number): boolean {
    return axis === shapeOf(this.graph, node.outputs[0] ?? "").length - 2;
  }

  /**
   * Follows a residual stream to the linear that begins it. `offset` is the first token of interest within
   * the joint sequence; undefined before any cut.
   */
  streamStart(id: ValueId | null | undefined, offset?: Dim): Linear | undefined {
    const key = `${offset} ${id}`;
    if (!this.#starts.has(key)) {
      this.#starts.set(key, undefined);
      this.#starts.set(key, this.#streamStart(id, offset));
    }
    return this.#starts.get(key);
  }

  #streamStart(id: ValueId | null | undefined, offset: Dim | undefined): Linear | undefined {
    const node = this.producer(id);
    switch (node?.op) {
      case "linear":
        return node;
      case "gated-residual":
      case "reshape":
      case "cast":
        return this.streamStart(node.inputs[0], offset);
      // A residual from outside: of a ControlNet.
      case "binary":
        if (node.attrs.fn !== "add" && node.attrs.fn !== "sub") return undefined;
        return this.streamStart(node.inputs[0], offset) ?? this.streamStart(node.inputs[1], offset);
      case "part":
        if (!this.isTokenAxis(node, node.attrs.axis)) return undefined;
        return this.streamStart(node.inputs[0], addDims(node.attrs.start, offset ?? 0));
      case "concat": {
        if (!this.isTokenAxis(node, node.attrs.axis) || offset === undefined) return undefined;
        let at: Dim = 0;
        for (const input of node.inputs) {
          if (at === offset) return this.streamStart(input);
          at = addDims(at, shapeOf(this.graph, input ?? "").at(-2) ?? 0);
        }
        return undefined;
      }
      default:
        return undefined;
    }
  }

  /** The modulate that feeds a value, looking through reshapes. */
  modulation(id: ValueId | null | undefined): NodeOf<"modulate"> | undefined {
    const node = this.producer(id);
    if (node?.op === "reshape" || node?.op === "cast") return this.modulation(node.inputs[0]);
    return node?.op === "modulate" ? node : undefined;
  }

  /** The linear whose channels a row (shift, scale or gate) is a part of. */
  rowSource(id: ValueId | null | undefined): Linear | undefined {
    return this.sources(id)[0];
  }

  /** Nodes that read a value, parts, joins and reshapes between them skipped. */
  readers(id: ValueId | undefined): readonly Node[] {
    return this.consumers(id).flatMap((node) => {
      const passes =
        node.op === "part" || node.op === "reshape" || node.op === "concat" || node.op === "cast";
      return passes ? this.readers(node.outputs[0]) : [node];
    });
  }
}
