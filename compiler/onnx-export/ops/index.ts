import type { Graph } from "../../../ir/graph/graph.js";
import { refuseExport } from "../errors.js";
import type { Rules } from "../operands.js";
import { attention } from "./attention.js";
import { elementwise } from "./elementwise.js";
import { embeddings } from "./embeddings.js";
import { gather } from "./gather.js";
import { images } from "./images.js";
import { linalg } from "./linalg.js";
import { linears } from "./linears.js";
import { modulation } from "./modulation.js";
import { norms } from "./norms.js";
import { quantized } from "./quantized.js";
import { reductions } from "./reductions.js";
import { shapes } from "./shapes.js";

/** How each operation is spelled. Control flow and sequences have no rule: constant folding removes what FLUX has of them. */
export const RULES: Rules = {
  ...attention,
  ...elementwise,
  ...embeddings,
  ...gather,
  ...images,
  ...linalg,
  ...linears,
  ...modulation,
  ...norms,
  ...quantized,
  ...reductions,
  ...shapes,
};

/** Throws TRITC_E_UNSUPPORTED_OP listing the operations of a graph that have no rule. */
export function checkOperations(graph: Graph): void {
  const missing = new Map<string, number>();
  for (const { op } of graph.nodes) if (RULES[op] === undefined) missing.set(op, (missing.get(op) ?? 0) + 1);
  if (missing.size === 0) return;
  const found = [...missing].map(([op, count]) => `${op} (${count})`).join(", ");
  throw refuseExport("the graph has operations that are not written as ONNX", found, graph.name);
}
