import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { roleOf } from "../../ir/models/index.js";

/** The inputs of a graph for pictures to draw after whose keys and values are computed once. */
export interface ReferenceInputs {
  /** [1, ref_tokens, channels] */
  readonly latents: ValueId;
  /** Their positions, in the form of the picture's own. */
  readonly ids: ValueId;
}

/** Undefined for a model that reads such pictures, if any, among the tokens of its own. */
export function referenceInputsOf(graph: Graph): ReferenceInputs | undefined {
  const played = (role: ReturnType<typeof roleOf>) =>
    graph.inputs.find((id) => roleOf(graph.model, id) === role);
  const [latents, ids] = [played("reference-latents"), played("reference-ids")];
  return latents === undefined || ids === undefined ? undefined : { latents, ids };
}
