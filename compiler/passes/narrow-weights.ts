import { BLOCK_LAYOUTS } from "../../ir/constant/blocks/index.js";
import type { Constant } from "../../ir/constant/constant.js";
import { SCALED } from "../../ir/families/contract/narrow.js";
import type { Graph, Node, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { HELD_BLOCKS, type Held } from "../../ir/ops/held.js";
import { countOf } from "../../ir/tensor.js";
import { storedFloat } from "../lower/weights.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %y = linear(%x, %w)   %e = gather(%table, %ids) {axis: 0}
 * becomes
 *   const %w.int8 = blocks(to-blocks(%w, Q8_0), Q8_0)   const %table.int8 = …
 *   %y = linear(%x, %w.int8) {held: "int8"}   %e = gather(%table.int8, %ids) {axis: 0, held: "int8"}
 *
 * for every linear, and every lookup of rows, whose matrix is a constant. Rows that are no whole groups of codes are held in
 * bf16; weights that are in the wanted form already stay what they are.
 */
export const narrowWeights: Pass = {
  name: "narrow-weights",
  summary: "lets the device hold dense weights and tables in bf16, int8 or int4",
  run(graph, { options: { weights = "f32" } }) {
    if (weights === "f32") return graph;
    const narrowing = new Narrowing(graph, weights);
    for (const node of graph.nodes) narrowing.visit(node);
    return narrowing.finish();
  },
};

/** Elements of tables that stay as they are: they take nothing, and T5's biases by distance, which all scores have, lose much. */
const MOST_SMALL = 1 << 14;

class Narrowing {
  readonly #edit: GraphEditor;
  readonly #known = new Map<ValueId, ValueId>();

  constructor(
    private readonly graph: Graph,
    private readonly wanted: Held,
  ) {
    this.#edit = new GraphEditor(graph);
  }

  visit(node: Node): void {
    if (node.op === "linear") this.#narrow(node, node.inputs[1], 1);
    else if (node.op === "gather" && node.attrs.axis === 0) this.#narrow(node, node.inputs[0], 0);
  }

  finish(): Graph {
    return this.#edit.finish();
  }

  #narrow(node: NodeOf<"linear"> | NodeOf<"gather">, id: ValueId | null | undefined, at: number): void {
    const constant = typeof id === "string" ? this.graph.constants.get(id) : undefined;
    if (typeof id !== "string" || constant === undefined) return;
    if (constant.shape.length !== 2 || !isFloatMatrix(constant)) return;
    if (node.op === "gather" && countOf(constant.shape) <= MOST_SMALL) return;
    const [, k = 0] = constant.shape;
    // What is looked up keeps its type, and codes are values of f32.
    const codes = k % SCALED === 0 && (node.op === "linear" || constant.dtype === "f32");
    const held = codes ? this.wanted : "bf16";
    if (node.op === "gather" && constant.dtype === "f16") return;
    const known = this.#known.get(id);
    const narrow = known ?? this.#constant(id, constant, held);
    this.#known.set(id, narrow);
    const inputs = node.inputs.map((input, i) => (i === at ? narrow : input));
    if (node.op === "linear") this.#edit.put({ ...node, inputs, attrs: { ...node.attrs, held } });
    else this.#edit.put({ ...node, inputs, attrs: { ...node.attrs, held } });
  }

  #constant(id: ValueId, constant: Constant, held: Held): ValueId {
    const narrow = narrowed(constant, held);
    return narrow === constant ? id : this.#edit.namedConstant(`${id}.${held}`, narrow);
  }
}

function isFloatMatrix({ dtype }: Constant): boolean {
  return dtype === "f32" || dtype === "f16" || dtype === "bf16";
}

/** The nearest matrix whose values are of the form: f32 as far as its own type is not kept. */
function narrowed(constant: Constant, held: Held): Constant {
  const { shape, source } = constant;
  if (held === "bf16") {
    if (storedFloat(constant) === "bf16") return constant;
    const rounded: Constant = { dtype: "bf16", shape, source: { kind: "cast", of: constant } };
    return { dtype: "f32", shape, source: { kind: "cast", of: rounded } };
  }
  const format = HELD_BLOCKS[held];
  if (source.kind === "blocks" && source.format === format) return constant;
  const { elements, bytes, dtype } = BLOCK_LAYOUTS[format];
  const [rows = 0, k = 0] = shape;
  const of: Constant = {
    dtype: "u8",
    shape: [rows, (k / elements) * bytes],
    source: { kind: "to-blocks", of: constant, format },
  };
  return { dtype, shape, source: { kind: "blocks", of, format } };
}
