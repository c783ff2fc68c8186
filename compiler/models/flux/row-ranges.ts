import { type Graph, type NodeOf, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import type { RowRange } from "../../lora/adapted.js";
import { FluxWalk, type Linear } from "./walk.js";

/**
 * Where the linear or norm of each role is, in a graph that `describe-model` has described. Roles are those of
 * `modules.ts`: queries, keys, values and MLP are found by the channels that attention and GELU read, wherever an
 * exporter has put them in one linear, and so are the halves of the last modulation. Norms of queries and keys are those
 * between linear and attention.
 */
export function rowRanges(graph: Graph): ReadonlyMap<string, RowRange> {
  const walk = new FluxWalk(graph);
  const ranges = new Map<string, RowRange>();
  const widthOf = (id: ValueId | null | undefined) => Number(shapeOf(graph, id ?? "").at(-1));
  for (const node of graph.nodes) {
    if (node.op === "linear" && node.attrs.role !== null) {
      const [linear = ""] = node.outputs;
      ranges.set(node.attrs.role, { node: linear, start: 0, count: widthOf(linear) });
    } else if (node.op === "attention") {
      for (const [i, operand] of node.inputs.entries()) {
        for (const { linear, start, norm } of channels(walk, operand)) {
          const role = `${prefixOf(linear)}.${"qkv"[i]}`;
          if (prefixOf(linear) === undefined) continue;
          ranges.set(role, { node: linear.outputs[0] ?? "", start, count: widthOf(operand) });
          if (norm === undefined) continue;
          // A norm over all heads at once has one scale for each of their channels.
          const count = norm.attrs.group === 0 ? widthOf(norm.outputs[0]) : norm.attrs.group;
          ranges.set(`${role}.norm`, { node: norm.outputs[0] ?? "", start: 0, count });
        }
      }
    } else if (node.op === "gelu") {
      for (const { linear, start } of channels(walk, node.inputs[0])) {
        const prefix = prefixOf(linear);
        const range = { node: linear.outputs[0] ?? "", start, count: widthOf(node.inputs[0]) };
        if (prefix !== undefined) ranges.set(`${prefix}.mlp.up`, range);
      }
    } else if (node.op === "modulate") {
      for (const [i, half] of ["shift", "scale"].entries()) {
        const [source] = channels(walk, node.inputs[i + 1]);
        if (source?.linear.attrs.role !== "norm_out.modulation") continue;
        const count = widthOf(node.inputs[i + 1]);
        ranges.set(`norm_out.${half}`, {
          node: source.linear.outputs[0] ?? "",
          start: source.start,
          count,
        });
      }
    }
  }
  return ranges;
}

/** `double.3.img` of `double.3.img.qkv`: the linears that may hold several projections. */
function prefixOf(linear: Linear): string | undefined {
  return /^(.+)\.(?:q|k|v|qk|kv|qkv|linear1|mlp\.up)$/.exec(linear.attrs.role ?? "")?.[1];
}

interface Source {
  readonly linear: Linear;
  /** The first of the linear's channels that the value has. */
  readonly start: number;
  /** The norm on the way, if there is one. */
  readonly norm: NodeOf<"rms-norm"> | undefined;
}

/** The linears that a value's channels come from, one per stream of tokens. */
function channels(
  walk: FluxWalk,
  id: ValueId | null | undefined,
  start = 0,
  norm?: NodeOf<"rms-norm">,
): readonly Source[] {
  const node = walk.producer(id);
  switch (node?.op) {
    case "linear":
      return [{ linear: node, start, norm }];
    case "rms-norm":
      return channels(walk, node.inputs[0], start, node);
    case "rope":
    case "reshape":
    case "cast":
      return channels(walk, node.inputs[0], start, norm);
    case "part":
      if (node.attrs.axis !== shapeOf(walk.graph, node.outputs[0] ?? "").length - 1) return [];
      return channels(walk, node.inputs[0], start + Number(node.attrs.start), norm);
    case "concat":
      if (!walk.isTokenAxis(node, node.attrs.axis)) return [];
      return node.inputs.flatMap((input) => channels(walk, input, start, norm));
    default:
      return [];
  }
}
