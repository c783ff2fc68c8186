import type { Node } from "../../../ir/graph/graph.js";
import type { OpName } from "../../../ir/ops/index.js";
import type { Lowering } from "../lowering.js";
import type { Rules } from "../rules.js";
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

const RULES: Rules<OpName> = {
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

/** How a node becomes launches, or undefined where no kernel family computes it. */
export function ruleFor(node: Node): ((lowering: Lowering) => void) | undefined {
  const rule = RULES[node.op] as ((lowering: Lowering, node: Node) => void) | undefined;
  return rule === undefined ? undefined : (lowering) => rule(lowering, node);
}
