import type { Graph } from "../../../ir/graph/graph.js";
import { type Described, OtherFamily } from "../family.js";
import { type FluxForm, findFlux } from "../flux/describe.js";
import { findConditioning } from "../flux/inputs.js";

/** MLPs with one activation, a modulation of its own for every stream of every block. */
export const FLUX1_FORM: FluxForm = {
  activated: (_, node) => (node.op === "gelu" ? node.outputs[0] : undefined),
  modulation: (prefix) => `${prefix}.modulation`,
  conditioning: findConditioning,
};

/** Finds inputs, blocks and sizes of a FLUX.1 transformer. Throws Unrecognized. */
export function describeFlux1(graph: Graph): Described {
  const { model, pooledDim, roles } = findFlux(graph, FLUX1_FORM);
  if (pooledDim === null) {
    throw new OtherFamily("the conditioning", "an embedder of pooled text", "timestep and guidance alone");
  }
  return { model: { ...model, family: "flux1", pooledDim }, roles };
}
