import { type Constant, operandsOf } from "../../ir/constant/constant.js";
import { addDims, mulDims } from "../../ir/dim.js";
import {
  type Graph,
  type Node,
  type NodeOf,
  shapeOf,
  typeOf,
  type ValueId,
  type ValueType,
} from "../../ir/graph/graph.js";
import { IMG_TOKENS, REF_TOKENS, roleOf, TXT_TOKENS } from "../../ir/models/index.js";
import { UniqueNames } from "../../ir/unique-names.js";
import { type ReferenceInputs, referenceInputsOf } from "../analysis/reference-inputs.js";
import { renameValues } from "../analysis/subgraphs.js";
import type { Pass } from "../pass.js";
import { pruneGraph } from "../rewrite/order.js";
import { renameSymbols } from "../rewrite/rename-symbols.js";

/**
 * References that a model has inputs of their own for (`withReferenceInputs`) attend to themselves alone, at timestep 0: blocks
 * see them as a picture without a text. So the graph is there once more, with the tokens of references in the place of the
 * picture's and none of text, up to the keys and values of the last attention; the picture and the text attend to these too.
 *
 *   %y = attention(%q, %k, %v)
 * becomes
 *   %k' = …of references, by the same weights     %v' = …
 *   %c: f32[1, ref_tokens, 2·C] = concat(%k', %v') {axis: 2}      what is kept over the steps, and no more of those rows
 *   %y = attention(%q, concat(%k, first half of %c), concat(%v, second half of %c))
 *
 * None of that depends on the step, so that `hoist-step-invariant` finds all of it to be the prompt's. The pass comes last: what
 * is fused, quantized and cut for the picture is so for references, with one copy of each weight for both.
 */
export const cacheReferences: Pass = {
  name: "cache-references",
  summary: "computes keys and values of references once per prompt, where they are inputs of their own",
  run: withReferencePass,
};

/** The graph with the pass of references, where it has inputs for them that nothing reads yet. */
export function withReferencePass(graph: Graph): Graph {
  const references = referenceInputsOf(graph);
  if (references === undefined) return graph;
  const isRead = graph.nodes.some((node) => node.inputs.includes(references.latents));
  return isRead ? graph : new Repetition(graph, references).build();
}

/** Whether a constant is, or is made of, a folded shape with symbols. */
function holdsSymbols({ source }: Constant): boolean {
  if (source.kind === "dims") return source.dims.some((dim) => typeof dim === "string");
  return operandsOf(source).some(holdsSymbols);
}

/** The graph beside itself for references. */
class Repetition {
  /** What values are in the pass of references; those that have no rows there, being of the text, are absent. */
  readonly #counterparts = new Map<ValueId, ValueId>();
  readonly #names: UniqueNames;
  readonly #types: Map<ValueId, ValueType>;
  readonly #constants: Map<ValueId, Constant>;
  readonly #nodes: Node[] = [];
  /** The graph for references alone, node by node; what is left of the text has axes of 0. */
  readonly #alone: Graph;

  constructor(
    private readonly graph: Graph,
    private readonly references: ReferenceInputs,
  ) {
    this.#alone = renameSymbols(graph, { [IMG_TOKENS]: REF_TOKENS, [TXT_TOKENS]: 0 });
    this.#types = new Map(graph.types);
    this.#constants = new Map(graph.constants);
    this.#names = new UniqueNames(graph.types.keys());
  }

  build(): Graph {
    for (const id of this.graph.inputs) this.#is(id, this.#inputFor(id));
    for (const [id, constant] of this.graph.constants) this.#is(id, this.#constantFor(id, constant));
    for (const [i, node] of this.graph.nodes.entries()) {
      this.#nodes.push(node.op === "attention" ? this.#withReferences(node) : node);
      this.#repeat(node, this.#alone.nodes[i] ?? node);
    }
    const { name, inputs, outputs, model } = this.graph;
    const graph = {
      name,
      inputs,
      outputs,
      types: this.#types,
      constants: this.#constants,
      nodes: this.#nodes,
    };
    return pruneGraph(model === undefined ? graph : { ...graph, model });
  }

  #is(id: ValueId, counterpart: ValueId | undefined): void {
    if (counterpart !== undefined) this.#counterparts.set(id, counterpart);
  }

  #inputFor(id: ValueId): ValueId | undefined {
    switch (roleOf(this.graph.model, id)) {
      case "latents":
        return this.references.latents;
      case "img-ids":
        return this.references.ids;
      case "timestep": {
        const { dtype, shape } = typeOf(this.graph, id);
        return this.#constant(id, {
          dtype,
          shape: (shape ?? []).map(Number),
          source: { kind: "fill", value: 0 },
        });
      }
      default:
        return this.#hasRows(id) ? id : undefined;
    }
  }

  /** Weights are the same ones; a shape may be another. */
  #constantFor(id: ValueId, constant: Constant): ValueId {
    return holdsSymbols(constant) ? this.#constant(id, this.#alone.constants.get(id) ?? constant) : id;
  }

  #hasRows(id: ValueId): boolean {
    return !shapeOf(this.#alone, id).includes(0);
  }

  /** Adds the node of references; one that only leaves out the text gives its operand another name. */
  #repeat(node: Node, alone: Node): void {
    if (!node.outputs.every((id) => this.#hasRows(id))) return;
    const operands = node.inputs.filter((id) => id !== null);
    const rows = operands.flatMap((id) => this.#counterparts.get(id) ?? []);
    const [only] = rows;
    if (rows.length === 1 && (alone.op === "concat" || this.#isWhole(alone))) {
      this.#is(node.outputs[0] ?? "", only);
    } else if (alone.op === "concat") {
      this.#nodes.push({ ...alone, inputs: rows, outputs: this.#outputsFor(node) });
    } else if (rows.length === operands.length) {
      const repeated = renameValues(alone, (id) => this.#counterparts.get(id) ?? id);
      this.#nodes.push({ ...repeated, outputs: this.#outputsFor(node) });
    }
  }

  #isWhole(node: Node): boolean {
    if (node.op !== "part") return false;
    const { axis, start, length } = node.attrs;
    return start === 0 && length === shapeOf(this.#alone, node.inputs[0] ?? "")[axis];
  }

  #outputsFor({ outputs }: Node): readonly ValueId[] {
    return outputs.map((id) => {
      const own = this.#value(id, typeOf(this.#alone, id));
      this.#is(id, own);
      return own;
    });
  }

  /** Lets queries attend to references too, whose keys and values lie side by side. */
  #withReferences(node: NodeOf<"attention">): Node {
    const [q = null, k, v, ...terms] = node.inputs;
    const own = [k, v].flatMap((id) => (typeof id === "string" ? [id] : []));
    const kept = own.flatMap((id) => this.#counterparts.get(id) ?? []);
    const [output = ""] = node.outputs;
    const [keys = ""] = own;
    if (kept.length !== 2 || terms.length > 0) throw new Error(`${output}: references take no part in it`);
    const shape = shapeOf(this.#alone, keys);
    const channels = shape.length - 1;
    const tokens = channels - 1;
    const width = shape.at(-1) ?? 0;
    const { dtype } = typeOf(this.graph, keys);
    const cache = this.#value(output, { dtype, shape: shape.with(channels, mulDims(width, 2)) });
    this.#nodes.push({ op: "concat", inputs: kept, outputs: [cache], attrs: { axis: channels } });
    const joined = own.map((id, i) => {
      const part = this.#value(id, { dtype, shape });
      const attrs = { axis: channels, start: mulDims(width, i), length: width };
      this.#nodes.push({ op: "part", inputs: [cache], outputs: [part], attrs });
      const rows = shapeOf(this.graph, id);
      const all = addDims(rows[tokens] ?? 0, shape[tokens] ?? 0);
      const whole = this.#value(id, { dtype, shape: rows.with(tokens, all) });
      this.#nodes.push({ op: "concat", inputs: [id, part], outputs: [whole], attrs: { axis: tokens } });
      return whole;
    });
    return { ...node, inputs: [q, ...joined] };
  }

  #value(of: ValueId, type: ValueType): ValueId {
    const id = this.#names.claim(`${of}.references`);
    this.#types.set(id, type);
    return id;
  }

  #constant(of: ValueId, constant: Constant): ValueId {
    const id = this.#value(of, constant);
    this.#constants.set(id, constant);
    return id;
  }
}
