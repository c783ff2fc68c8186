import type { Constant } from "../../ir/constant/constant.js";
import { dtypeOf, type Graph, type Node, type NodeOf, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { producersOf, type Uses, usedOnce, usesOf } from "../analysis/uses.js";
import type { Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/** Channels of the tiles that kernels finish at a time: heads must not straddle them. */
const TILE = 128;

/**
 *   %f = ternary-linear(%x, …)
 *   %q = part(%f) {axis: 2, start: 0, length: w}   %q' = qk-norm-rope(%q, %a, %cos, %sin)
 *   %k = part(%f) {axis: 2, start: w, length: w}   %k' = qk-norm-rope(%k, %b, %cos, %sin)
 * becomes
 *   %f' = ternary-qkv(%x, …, concat(%a, %b), %cos, %sin)   %q' = part(%f') …   %k' = part(%f') …
 * and, where text and image tokens are joined, parts of one range are joined before they are cut:
 *   %j = concat(part(%f), part(%g)) {axis: 1}      →   %j = part(concat(%f, %g) {axis: 1})
 */
export const fuseHeads: Pass = {
  name: "fuse-heads",
  summary: "moves the norm and rotation of q and k into the linear that computes them, where kernels can",
  run(graph, { options }) {
    return options.fuseHeads === true ? joinParts(fuse(graph)) : graph;
  },
};

interface Head {
  readonly norm: NodeOf<"qk-norm-rope">;
  readonly part: NodeOf<"part">;
}

interface Fusion {
  readonly linear: NodeOf<"ternary-linear">;
  readonly q: Head;
  readonly k: Head;
}

function fuse(graph: Graph): Graph {
  const fusions = findFusions(graph);
  if (fusions.length === 0) return graph;
  const edit = new GraphEditor(graph);
  for (const { linear, q, k } of fusions) {
    const first = linear.attrs.quantized ? 3 : 1;
    const [codes = null, scales = null, bias = null] = linear.inputs.slice(first);
    const { headDim, epsilon } = q.norm.attrs;
    const { role, quantized } = linear.attrs;
    const width = Number(q.part.attrs.length);
    edit.put({
      op: "ternary-qkv",
      inputs: [
        ...linear.inputs.slice(0, first),
        codes,
        scales,
        bias,
        joinWeights(graph, edit, q.norm, k.norm),
        ...q.norm.inputs.slice(2),
      ],
      outputs: linear.outputs,
      attrs: { role, quantized, headDim, epsilon, width },
    });
    for (const { norm, part } of [q, k]) edit.put({ ...part, outputs: norm.outputs });
  }
  return edit.finish();
}

/** The weights of q's and k's norms side by side. */
function joinWeights(graph: Graph, edit: GraphEditor, q: Head["norm"], k: Head["norm"]): ValueId {
  const ids = [q.inputs[1] ?? "", k.inputs[1] ?? ""];
  const of = ids.flatMap((id) => graph.constants.get(id) ?? []);
  const [dtype = "f32"] = of.map((constant) => constant.dtype);
  return edit.namedConstant(`${ids[0]}.qk`, {
    dtype,
    shape: [2 * q.attrs.headDim],
    source: { kind: "concat", of },
  });
}

function findFusions(graph: Graph): readonly Fusion[] {
  const uses = usesOf(graph);
  return graph.nodes.flatMap((linear) => {
    if (linear.op !== "ternary-linear" || linear.attrs.gated || linear.attrs.activation !== "none") return [];
    const [output = ""] = linear.outputs;
    const parts = partsOf(uses, output);
    const q = parts.find(({ attrs }) => attrs.start === 0);
    const k = parts.find(({ attrs }) => attrs.start === q?.attrs.length);
    if (q === undefined || k === undefined || uses.outputs.has(output)) return [];
    const heads = [q, k].map((part) => headOf(graph, uses, part));
    const [first, second] = heads;
    if (first === undefined || second === undefined) return [];
    return isPair(graph, first, second, shapeOf(graph, output).length)
      ? [{ linear, q: first, k: second }]
      : [];
  });
}

function partsOf(uses: Uses, id: ValueId): readonly NodeOf<"part">[] {
  const readers = uses.nodes.get(id) ?? [];
  const parts = readers.filter((node): node is NodeOf<"part"> => node.op === "part");
  return parts.length === readers.length ? parts : [];
}

function headOf(graph: Graph, uses: Uses, part: NodeOf<"part">): Head | undefined {
  const [value = ""] = part.outputs;
  const [norm] = uses.nodes.get(value) ?? [];
  if (!usedOnce(uses, value) || norm?.op !== "qk-norm-rope" || norm.inputs[0] !== value) return undefined;
  const [, weight] = norm.inputs;
  return typeof weight === "string" && graph.constants.has(weight) ? { norm, part } : undefined;
}

function isPair(graph: Graph, q: Head, k: Head, rank: number): boolean {
  const { headDim, epsilon } = q.norm.attrs;
  const { axis, length } = q.part.attrs;
  return (
    axis === rank - 1 &&
    k.part.attrs.axis === axis &&
    k.part.attrs.length === length &&
    typeof length === "number" &&
    length % headDim === 0 &&
    TILE % headDim === 0 &&
    headDim % 8 === 0 &&
    k.norm.attrs.headDim === headDim &&
    k.norm.attrs.epsilon === epsilon &&
    q.norm.inputs.slice(2).every((id, i) => id === k.norm.inputs[i + 2]) &&
    [q, k].every(({ norm }) => isVector(graph.constants.get(norm.inputs[1] ?? ""), headDim))
  );
}

function isVector(constant: Constant | undefined, length: number): boolean {
  return constant?.shape.length === 1 && constant.shape[0] === length;
}

/** Concats along tokens of the same part of several values: the values are joined once, then cut. */
function joinParts(graph: Graph): Graph {
  const producers = producersOf(graph);
  const uses = usesOf(graph);
  const edit = new GraphEditor(graph);
  const joined = new Map<string, ValueId>();
  for (const node of graph.nodes) {
    const parts = node.op === "concat" ? sameParts(graph, uses, producers, node) : undefined;
    const [first] = parts ?? [];
    if (node.op !== "concat" || parts === undefined || first === undefined) continue;
    const sources = parts.map(({ inputs }) => inputs[0] ?? null);
    const key = sources.join("\n");
    let whole = joined.get(key);
    if (whole === undefined) {
      const [source = ""] = first.inputs;
      const width = shapeOf(graph, source ?? "").at(-1) ?? 1;
      const shape = shapeOf(graph, node.outputs[0] ?? "");
      whole = edit.value(`${source}.joint`, {
        dtype: dtypeOf(graph, source ?? ""),
        shape: [...shape.slice(0, -1), width],
      });
      edit.at(node).addNode({ ...node, inputs: sources, outputs: [whole] });
      joined.set(key, whole);
    }
    edit.put({ ...first, inputs: [whole], outputs: node.outputs });
  }
  return edit.finish();
}

/** The parts that a concat joins, if each is the same columns of a ternary-qkv's result, and nothing else reads it. */
function sameParts(
  graph: Graph,
  uses: Uses,
  producers: ReadonlyMap<ValueId, Node>,
  node: NodeOf<"concat">,
): readonly NodeOf<"part">[] | undefined {
  const parts = node.inputs.map((id) => (id === null ? undefined : producers.get(id)));
  const [first] = parts;
  if (first?.op !== "part" || node.attrs.axis !== shapeOf(graph, node.outputs[0] ?? "").length - 2)
    return undefined;
  const { axis, start, length } = first.attrs;
  const same = parts.filter((part): part is NodeOf<"part"> => {
    if (part?.op !== "part") return false;
    const [source = ""] = part.inputs;
    return (
      part.attrs.axis === axis &&
      part.attrs.start === start &&
      part.attrs.length === length &&
      producers.get(source ?? "")?.op === "ternary-qkv" &&
      part.outputs.every((id) => usedOnce(uses, id))
    );
  });
  const sources = new Set(same.map((part) => part.inputs[0]));
  return same.length === parts.length && sources.size === parts.length ? same : undefined;
}
