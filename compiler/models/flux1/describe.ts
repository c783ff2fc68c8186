import { elementCount } from "../../../ir/dim.js";
import { isFloat } from "../../../ir/dtype.js";
import { type Graph, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import type { InputRole, ModelDescription } from "../../../ir/models/index.js";
import { type Described, Unrecognized } from "../family.js";
import { type Block, blockRoles, findBlocks, isBlockRole, type Roles } from "./blocks.js";
import { findConditioning, findEnds, findRotation } from "./inputs.js";

import { FluxWalk, type Linear } from "./walk.js";

/** Finds inputs, blocks and sizes of a FLUX.1 transformer. Throws Unrecognized. */
export function describeFlux1(graph: Graph): Described {
  const walk = new FluxWalk(graph);
  const blocks = findBlocks(walk);
  const ends = findEnds(walk, blocks);
  const attention = (blocks[0] as Block).attention;
  const roles = blockRoles(walk, blocks, ends.streams);
  const give = (linear: Linear | undefined, role: string) => roles.set(linear?.outputs[0] ?? "", role);
  give(ends.imgEmbedder, "x_embedder");
  give(ends.txtEmbedder, "context_embedder");
  give(ends.projOut, "proj_out");
  give(ends.outModulation, "norm_out.modulation");
  const conditioning = findConditioning(walk, ends.outModulation, roles);
  const rotation = findRotation(walk, ends.streams);
  const latents = walk.inputOf(ends.imgEmbedder.inputs[0]);
  const context = walk.inputOf(ends.txtEmbedder.inputs[0]);
  if (latents === undefined) throw walk.stop(ends.imgEmbedder.inputs[0], "an input with the latents");
  if (context === undefined) throw walk.stop(ends.txtEmbedder.inputs[0], "an input with the encoded text");
  const hidden = widthOf(graph, ends.imgEmbedder.outputs[0]);
  const { heads } = attention.attrs;
  const inputs = new Map<ValueId, InputRole>([
    ...conditioning.roles,
    ...rotation.roles,
    [latents, "latents"],
    [context, "context"],
  ]);
  // Every part is played by an input of its own; others come from outside, as the residuals of a ControlNet do.
  if (inputs.size !== 6 + Number(conditioning.guidance)) {
    throw new Unrecognized("the inputs", "one input for each part", [...inputs.values()].join(", "));
  }
  const model: ModelDescription = {
    family: "flux1",
    doubleBlocks: blocks.filter((b) => b.q.length === 2).length,
    singleBlocks: blocks.filter((b) => b.q.length === 1).length,
    hidden,
    heads,
    headDim: widthOf(graph, attention.outputs[0]) / heads,
    mlpWidth: mlpWidth(graph, blocks),
    inChannels: widthOf(graph, latents),
    outChannels: widthOf(graph, ends.projOut.outputs[0]),
    contextDim: widthOf(graph, context),
    pooledDim: conditioning.pooledDim,
    guidance: conditioning.guidance,
    timestepScale: conditioning.scales[0] ?? 1,
    guidanceScale: conditioning.scales[1] ?? 1,
    ropeAxes: rotation.axes,
    ropeTheta: rotation.theta,
    roles: Object.fromEntries(
      graph.inputs.flatMap((input) => {
        const role = inputs.get(input);
        return role === undefined ? [] : [[input, role]];
      }),
    ),
    parameters: countParameters(graph),
    blockLinearWeights: countBlockWeights(graph, roles),
  };
  return { model, roles };
}

function widthOf(graph: Graph, id: ValueId | undefined): number {
  return Number(shapeOf(graph, id ?? "").at(-1));
}

/** The width that GELU works on; all blocks have the same. */
function mlpWidth(graph: Graph, blocks: readonly Block[]): number {
  const gelu = graph.nodes.find((n) => n.op === "gelu");
  return gelu === undefined || blocks.length === 0 ? 0 : widthOf(graph, gelu.outputs[0]);
}

/** Elements of the constants that linears and norms read. */
function countParameters(graph: Graph): number {
  const seen = new Set<ValueId>();
  let count = 0;
  for (const node of graph.nodes) {
    if (node.op !== "linear" && node.op !== "rms-norm" && node.op !== "layer-norm") continue;
    for (const input of node.inputs) {
      const constant = input === null ? undefined : graph.constants.get(input);
      if (input === null || constant === undefined || !isFloat(constant.dtype) || seen.has(input)) continue;
      seen.add(input);
      count += Number(elementCount(constant.shape));
    }
  }
  return count;
}

function countBlockWeights(graph: Graph, roles: Roles): number {
  let count = 0;
  for (const node of graph.nodes) {
    if (node.op !== "linear" || !isBlockRole(roles.get(node.outputs[0] ?? "") ?? null)) continue;
    count += Number(elementCount(shapeOf(graph, node.inputs[1] ?? "")));
  }
  return count;
}
