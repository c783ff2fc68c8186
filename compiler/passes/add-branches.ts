import type { Constant } from "../../ir/constant/constant.js";
import { type Graph, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { Branch, Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %y = ternary-linear(%x, %codes, %scales, %b)
 * becomes
 *   %t = ternary-linear(%x, %codes, %scales, %b)
 *   %v = linear(%x, %down)   %y = linear(%v, %up, _, %ones, %t) {gated: true}
 * and
 *   %y = ternary-linear(%x, %codes, %scales, %b, %g, %r) {gated: true}
 * becomes
 *   %v = linear(%x, %down)   %u = linear(%v, %up, _, %g, %r) {gated: true}
 *   %y = ternary-linear(%x, %codes, %scales, %b, %g, %u) {gated: true}
 *
 * for weights with a branch of low rank, y = s·T·x + U·(V·x) + b: a kernel adds as it adds a residual. An activation comes after
 * the sum, in a kernel of its own. Where a linear is several that were merged, their branches read %x together.
 */
export const addBranches: Pass = {
  name: "add-branches",
  summary: "puts the dense branches of low rank beside the ternary linears that have one",
  run(graph, { options: { branches } }) {
    if (branches === undefined) return graph;
    const editor = new BranchEditor(graph);
    for (const node of graph.nodes) {
      if (node.op !== "ternary-linear") continue;
      const codes = graph.constants.get(node.inputs[1] ?? "");
      const parts = codes === undefined ? [] : partsOf(codes, branches);
      if (parts.some(({ branch }) => branch !== undefined)) editor.put(node, parts);
    }
    return editor.finish();
  },
};

/** Rows of a merged weight that were a weight of their own, or a part of one. */
interface WeightPart {
  readonly rows: number;
  readonly branch: Branch | undefined;
}

function partsOf(codes: Constant, branches: ReadonlyMap<Constant, Branch>): readonly WeightPart[] {
  const { source, shape } = codes;
  const rows = shape[0] ?? 0;
  if (source.kind === "concat") return source.of.flatMap((of) => partsOf(of, branches));
  if (source.kind !== "rows") return [{ rows, branch: branches.get(codes) }];
  const branch = branches.get(source.of);
  return [{ rows, branch: branch && { ...branch, up: rowsOf(branch.up, source.start, rows) } }];
}

class BranchEditor {
  readonly #edit: GraphEditor;
  /** What linears read that were cut out of one, by V. */
  readonly #seen = new Map<Constant, ValueId>();
  /** By their number. */
  readonly #ones = new Map<number, ValueId>();

  constructor(private readonly graph: Graph) {
    this.#edit = new GraphEditor(graph);
  }

  finish(): Graph {
    return this.#edit.finish();
  }

  put(node: NodeOf<"ternary-linear">, parts: readonly WeightPart[]): void {
    const edit = this.#edit.at(node);
    const { activation, gated } = node.attrs;
    const { outputs } = node;
    const [x = null, codes = null, scales = null, bias = null, gate = null, residual = null] = node.inputs;
    if (gated) {
      // A linear of its own: none with a gate is merged.
      const [sum = null] = this.#sums(node, parts, gate, residual ?? "");
      return void edit.put({ ...node, inputs: [x, codes, scales, bias, gate, sum] });
    }
    const attrs = { ...node.attrs, activation: "none" } as const;
    const plain = edit.add("ternary-linear", [x, codes, scales, bias], attrs);
    const axis = shapeOf(this.graph, outputs[0] ?? "").length - 1;
    const sums = this.#sums(node, parts, null, plain);
    const [only = ""] = sums;
    const sum = sums.length === 1 ? only : edit.add("concat", sums, { axis });
    if (activation === "silu") edit.put({ op: "silu", inputs: [sum], outputs, attrs: {} });
    else if (activation === "none") edit.replaceUses(outputs[0] ?? "", sum);
    else {
      const approximate = activation === "gelu-tanh" ? "tanh" : "none";
      edit.put({ op: "gelu", inputs: [sum], outputs, attrs: { approximate } });
    }
  }

  /** residual + gate·U·(V·x) of each part; the gate is one if absent. */
  #sums(
    { attrs: { role }, inputs: [x = null], outputs: [output = ""] }: NodeOf<"ternary-linear">,
    parts: readonly WeightPart[],
    gate: ValueId | null,
    residual: ValueId,
  ): readonly ValueId[] {
    const edit = this.#edit;
    const axis = shapeOf(this.graph, output).length - 1;
    const columns = (of: ValueId, start: number, length: number, whole: boolean) =>
      whole ? of : edit.add("part", [of], { axis, start, length });
    const linear = (
      name: string,
      weight: Constant,
      inputs: readonly [ValueId | null, ...(ValueId | null)[]],
    ) => {
      const [of, ...epilogue] = inputs;
      const attrs = { role: name, activation: "none", gated: epilogue.length > 0 } as const;
      return edit.add("linear", [of, edit.namedConstant(name, weight), ...epilogue], attrs);
    };
    const downs = [...new Set(parts.flatMap(({ branch }) => branch?.down ?? []))];
    const [first] = downs;
    if (first === undefined) throw new Error(`no branch of ${role}`);
    const known = downs.length === 1 ? this.#seen.get(first) : undefined;
    const seen = known ?? linear(`${role}.down`, joined(downs), [x]);
    if (downs.length === 1) this.#seen.set(first, seen);
    const slices = new Map<Constant, ValueId>();
    let start = 0;
    for (const down of downs) {
      const [rank = 0] = down.shape;
      slices.set(down, columns(seen, start, rank, downs.length === 1));
      start += rank;
    }
    let column = 0;
    return parts.map(({ rows, branch }) => {
      const own = columns(residual, column, rows, parts.length === 1);
      column += rows;
      if (branch === undefined) return own;
      const by = gate ?? this.#onesOf(rows);
      return linear(`${branch.role}.up`, branch.up, [slices.get(branch.down) ?? null, null, by, own]);
    });
  }

  #onesOf(count: number): ValueId {
    const known = this.#ones.get(count);
    const ones: Constant = { dtype: "f32", shape: [count], source: { kind: "fill", value: 1 } };
    const id = known ?? this.#edit.namedConstant(`ones.${count}`, ones);
    this.#ones.set(count, id);
    return id;
  }
}

function joined(of: readonly Constant[]): Constant {
  const [first] = of;
  if (first === undefined) throw new Error("nothing to join");
  if (of.length === 1) return first;
  const rows = of.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], source: { kind: "concat", of } };
}

function rowsOf(of: Constant, start: number, rows: number): Constant {
  return { ...of, shape: [rows, ...of.shape.slice(1)], source: { kind: "rows", of, start } };
}
