import { printable } from "../../ir/errors.js";
import { functionKey } from "./decode.js";
import { quantizedExport, unsupported } from "./errors.js";
import { describeNode, type OnnxModel, type OnnxNode } from "./model.js";
import { findOperator } from "./registry.js";

/** Operators that compute quantized activations, or hold weights in a form of a runtime's own. */
const QUANTIZING =
  /^(MatMulNBits|MatMulBnb4|MatMulFpQ4|GatherBlockQuantized|QMoE|DynamicQuantize|Quantize|QLinear|QAttention|QGemm|DynamicQuant|QuantizeBFP)/;

interface Finding {
  readonly label: string;
  readonly first: string;
  count: number;
}

/**
 * Looks over all nodes before any is imported, so that one run names every operator that stands in the
 * way. Quantized exports are refused first: their operators would all be listed otherwise.
 */
export function surveyOperators(model: OnnxModel): void {
  const unknown = new Map<string, Finding>();
  for (const node of allNodes(model)) {
    if (model.functions.has(functionKey(node.domain, node.op))) continue;
    if (/^trt(::|\.|$)/.test(node.domain) || QUANTIZING.test(node.op)) {
      throw quantizedExport(describeNode(node), node.domain === "" ? node.op : `${node.domain}::${node.op}`);
    }
    if (findOperator(node.domain, node.op) !== undefined) continue;
    const label = `${node.domain === "" ? "ai.onnx" : node.domain}.${node.op}`;
    const finding = unknown.get(label) ?? { label, first: describeNode(node), count: 0 };
    finding.count++;
    unknown.set(label, finding);
  }
  if (unknown.size === 0) return;
  const lines = [...unknown.values()]
    .sort((a, b) => (a.label < b.label ? -1 : 1))
    .map((f) => `${printable(f.label)} (${f.count}x, first at ${printable(f.first)})`);
  throw unsupported(
    model.file,
    `${unknown.size} operator${unknown.size === 1 ? " is" : "s are"} not supported:\n    ${lines.join("\n    ")}`,
  );
}

function* allNodes(model: OnnxModel): Generator<OnnxNode> {
  yield* nodesOf(model.graph.nodes);
  for (const f of model.functions.values()) yield* nodesOf(f.nodes);
}

function* nodesOf(nodes: readonly OnnxNode[]): Generator<OnnxNode> {
  for (const node of nodes) {
    yield node;
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === "graph") yield* nodesOf(attribute.value.nodes);
    }
  }
}
