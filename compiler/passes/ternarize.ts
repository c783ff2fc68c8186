import type { ByteReader, Constant, TernaryMethod } from "../../ir/constant/constant.js";
import type { Graph, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { GROUP_SIZES, scalesShape } from "../../ir/ternary/groups.js";
import type { LosslessGroup } from "../analysis/found-group.js";
import { losslessGroup } from "../analysis/lossless-group.js";
import { isBlockRole } from "../models/index.js";
import type { FoundGroups, Group, Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";

/**
 *   %y = linear(%x, %w, %b) {role: "double.0.img.q"}
 * becomes
 *   const %w.codes = ternary-codes(%w, exact)   const %w.scales = ternary-scales(%w, exact)
 *   %y = ternary-linear(%x, %w.codes, %w.scales, %b) {role: "double.0.img.q", quantized: false}
 *
 * for every linear of the double and single blocks, modulation included: W ≈ diag(s)·T, or with a scale for each group of
 * a row's inputs.
 */
export const ternarize: Pass = {
  name: "ternarize",
  summary:
    "replaces the weights of the block linears by ternary codes and a scale per output row, or group of its inputs",
  run(graph, { reader, options: { ternarize: method, group: wanted = "row" } }) {
    if (method === "none") return graph;
    return ternarizedBy(graph, reader, method, wanted);
  },
};

/** A model on ternary weights that are found from its own, row by row. */
export function ternarizedBy(
  graph: Graph,
  reader: ByteReader,
  method: TernaryMethod,
  wanted: Group | FoundGroups = "row",
): Graph {
  return withTernaryWeights(graph, ({ weight }) => {
    const { group, scales } =
      typeof wanted === "object" ? (wanted.get(weight) ?? ROWS) : groupOf(weight, wanted, reader);
    const fitting = { of: weight, method, ...(group === null ? {} : { group }) };
    const shape = scalesShape(weight.shape, group);
    return {
      codes: { dtype: "i8", shape: weight.shape, source: { kind: "ternary-codes", ...fitting } },
      scales: { dtype: scales, shape, source: { kind: "ternary-scales", ...fitting } },
    };
  });
}

const ROWS: LosslessGroup = { group: null, scales: "f32" };

/** The groups of a weight. Scales are stored in 16 bits where that, and the codes, lose nothing. */
export function groupOf(weight: Constant, wanted: Group, reader: ByteReader): LosslessGroup {
  const [, width = 0] = weight.shape;
  if (wanted === "row" || (typeof wanted === "number" && wanted >= width)) return ROWS;
  // What adapters are added to had its groups before.
  const base = unadapted(weight);
  const found = losslessGroup(
    base,
    reader,
    wanted === "auto" ? [null, ...GROUP_SIZES.toReversed()] : [wanted],
  );
  if (found?.group === null) return ROWS;
  if (found !== undefined && base === weight) return found;
  return { group: found?.group ?? (wanted === "auto" ? null : wanted), scales: "f32" };
}

function unadapted(weight: Constant): Constant {
  const { source } = weight;
  switch (source.kind) {
    case "low-rank":
    case "sum":
    case "product":
    case "renormalize":
    case "rotate":
      return unadapted(source.of);
    default:
      return weight;
  }
}

/** A linear of the blocks as a model has it. */
export interface BlockLinear {
  readonly role: string;
  readonly weightId: ValueId;
  /** [out, in] */
  readonly weight: Constant;
  /** [out] */
  readonly bias: Constant | null;
}

export interface TernaryParameters {
  readonly codes: Constant;
  readonly scales: Constant;
  /** The model's own if absent. */
  readonly bias?: Constant;
}

/** Every linear of the blocks on other parameters. */
export function withTernaryWeights(
  graph: Graph,
  parametersOf: (linear: BlockLinear) => TernaryParameters,
): Graph {
  const edit = new GraphEditor(graph);
  for (const node of graph.nodes) {
    const linear = node.op === "linear" ? blockLinear(graph, node) : undefined;
    if (node.op !== "linear" || linear === undefined) continue;
    const [x = null, w, bias = null, ...epilogue] = node.inputs;
    const found = parametersOf(linear);
    const codes = edit.namedConstant(`${w}.codes`, found.codes);
    const scales = edit.namedConstant(`${w}.scales`, found.scales);
    const own = found.bias === undefined ? bias : edit.namedConstant(`${w}.bias`, found.bias);
    edit.put({
      ...node,
      op: "ternary-linear",
      inputs: [x, codes, scales, own, ...epilogue],
      attrs: { ...node.attrs, quantized: false },
    });
  }
  return edit.finish();
}

/** The linears of a model's blocks, by their results. */
export function blockLinears(graph: Graph): ReadonlyMap<ValueId, BlockLinear> {
  return new Map(
    graph.nodes.flatMap((node) => {
      const linear = node.op === "linear" ? blockLinear(graph, node) : undefined;
      return linear === undefined ? [] : [[node.outputs[0] ?? "", linear] as const];
    }),
  );
}

function blockLinear(graph: Graph, node: NodeOf<"linear">): BlockLinear | undefined {
  const { role } = node.attrs;
  const [, weightId, biasId] = node.inputs;
  if (role === null || !isBlockRole(role) || typeof weightId !== "string") return undefined;
  const weight = graph.constants.get(weightId);
  if (weight === undefined) return undefined;
  return { role, weightId, weight, bias: graph.constants.get(biasId ?? "") ?? null };
}
