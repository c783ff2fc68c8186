import { type Graph, type Node, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { inputOf, roleOf } from "../../ir/models/index.js";
import { definitionOf } from "../../ir/ops/index.js";

/** When a value is computed. */
export interface Placement {
  readonly phase: string;
  /** The leading axis, 1 in the graph, holds one entry per sampling step in the program. */
  readonly perStep: boolean;
}

/**
 * `hoist-step-invariant`: the sampler's timesteps, the guidance and both text encodings are known before the
 * loop, so whatever depends on them only is computed once per prompt; values that depend on the timestep are
 * computed for all steps together, as rows of one batch. An analysis: the graph stays the model of one
 * step, and lowering reads the map.
 *
 *   %t: f32[1] (timestep)   %e: f32[1, 256] = timestep-embedding(%t)   → prompt, perStep: [steps, 256]
 *   %c: f32[1, T, 64] (context)   %d = linear(%c, …)                   → prompt
 *   %x: f32[1, T, 64] (latents)   %y = adaln(%x, %shift, %scale)       → step: reads row `step` of %shift
 *
 * A graph without a model description has no sampler: all of it is `step`, constants aside.
 */
export function hoistStepInvariant(graph: Graph): ReadonlyMap<ValueId, Placement> {
  const placements = new Map<ValueId, Placement>();
  for (const id of graph.inputs) placements.set(id, inputPlacement(graph, id));
  for (const node of graph.nodes) {
    const placement = nodePlacement(graph, node, placements);
    for (const id of node.outputs) placements.set(id, placement);
  }
  return placements;
}

const STEP: Placement = { phase: "step", perStep: false };
const PROMPT: Placement = { phase: "prompt", perStep: false };
const PER_STEP: Placement = { phase: "prompt", perStep: true };

function inputPlacement(graph: Graph, id: ValueId): Placement {
  if (graph.model === undefined) return STEP;
  const role = roleOf(graph.model, id);
  const varies = role === null ? "evaluation" : inputOf(role).varies;
  if (varies === "schedule") return shapeOf(graph, id)[0] === 1 ? PER_STEP : STEP;
  return varies === "prompt" ? PROMPT : STEP;
}

function nodePlacement(graph: Graph, node: Node, known: ReadonlyMap<ValueId, Placement>): Placement {
  let perStep = false;
  for (const id of node.inputs) {
    const placement = id === null ? undefined : known.get(id);
    if (placement === undefined) continue;
    if (placement.phase === "step") return STEP;
    perStep ||= placement.perStep;
  }
  if (graph.model === undefined) return STEP;
  if (!perStep) return PROMPT;
  return keepsRowsApart(graph, node, known) ? PER_STEP : STEP;
}

/**
 * Whether a node treats the leading axis of its per-step operands as rows that do not meet, so that `steps`
 * rows give what `steps` evaluations of one row would.
 */
function keepsRowsApart(graph: Graph, node: Node, known: ReadonlyMap<ValueId, Placement>): boolean {
  const leadingOne = (id: ValueId) => shapeOf(graph, id)[0] === 1;
  const perStep = node.inputs.filter((id): id is ValueId => id !== null && known.get(id)?.perStep === true);
  if (![...perStep, ...node.outputs].every(leadingOne)) return false;
  const [output = ""] = node.outputs;
  const ranks = perStep.map((id) => shapeOf(graph, id).length);
  const rows = { rank: shapeOf(graph, output).length, ranks, operands: node.inputs.length };
  return definitionOf(node.op).traits.perStep(node.attrs, rows);
}
