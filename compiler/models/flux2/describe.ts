import type { Graph } from "../../../ir/graph/graph.js";
import { swigluOf } from "../../analysis/swiglu.js";
import { type Described, OtherFamily, Unrecognized } from "../family.js";
import { type FluxForm, findFlux } from "../flux/describe.js";
import { findConditioning } from "../flux/inputs.js";
import { modulationOf } from "./modules.js";

/** SwiGLU MLPs, and one modulation for each stream of all double blocks, one for all single blocks. */
const FORM: FluxForm = {
  activated: (walk, node) => (swigluOf(walk.graph, node) === undefined ? undefined : node.outputs[0]),
  modulation: modulationOf,
  conditioning: findConditioning,
};

/** Finds inputs, blocks and sizes of a FLUX.2 transformer. Throws Unrecognized. */
export function describeFlux2(graph: Graph): Described {
  const { model, pooledDim, roles } = findFlux(graph, FORM);
  if (pooledDim !== null) {
    throw new OtherFamily("the conditioning", "timestep and guidance alone", "an embedder of pooled text");
  }
  const all = [...roles.values()];
  const twice = all.find((role, i) => all.indexOf(role) !== i);
  if (twice !== undefined) throw new Unrecognized(twice, "one linear for all blocks", "one for each block");
  if (model.mlpWidth === 0) throw new Unrecognized("the blocks", "MLPs with SwiGLU", "another activation");
  return { model: { ...model, family: "flux2", pooledDim: null }, roles };
}
