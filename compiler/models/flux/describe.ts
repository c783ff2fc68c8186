import { elementCount } from "../../../ir/dim.js";
import { isFloat } from "../../../ir/dtype.js";
import { type Graph, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import type { FluxDescription, InputRole } from "../../../ir/models/index.js";
import { Unrecognized } from "../family.js";
import { type BlockForm, blockRoles, findBlocks, isBlockRole, type Roles } from "./blocks.js";
import { type Conditioning, findEnds, findRotation } from "./inputs.js";
import { FluxWalk, type Linear } from "./walk.js";

/** A transformer of double and single blocks, of whichever family. */
export interface FoundFlux {
  /** What is told of a model of any family. */
  readonly model: FluxDescription;
  /** Width of the summary of the text; null where the model reads none. */
  readonly pooledDim: number | null;
  readonly roles: Roles;
}

/** What transformers are made of where families differ. */
export interface FluxForm extends BlockForm {
  /** What modulations are computed from, by the linear that gives the last one; names its linears. Throws Unrecognized. */
  conditioning(walk: FluxWalk, modulation: Linear | undefined, roles: Roles): Conditioning;
}

/** Finds inputs, blocks and sizes of a transformer of this form. Throws Unrecognized. */
export function findFlux(graph: Graph, form: FluxForm): FoundFlux {
  const walk = new FluxWalk(graph);
  const blocks = findBlocks(walk);
  const ends = findEnds(walk, blocks);
  const roles = blockRoles(walk, blocks, ends.streams, form);
  const give = (linear: Linear | undefined, role: string) => roles.set(linear?.outputs[0] ?? "", role);
  give(ends.imgEmbedder, "x_embedder");
  give(ends.txtEmbedder, "context_embedder");
  give(ends.projOut, "proj_out");
  const conditioning = form.conditioning(walk, ends.outModulation, roles);
  const rotation = findRotation(walk, ends.streams);
  const latents = walk.inputOf(ends.imgEmbedder.inputs[0]);
  const context = walk.inputOf(ends.txtEmbedder.inputs[0]);
  if (latents === undefined) throw walk.stop(ends.imgEmbedder.inputs[0], "an input with the latents");
  if (context === undefined) throw walk.stop(ends.txtEmbedder.inputs[0], "an input with the encoded text");
  const inputs = new Map<ValueId, InputRole>([
    ...conditioning.roles,
    ...rotation.roles,
    [latents, "latents"],
    [context, "context"],
  ]);
  // Every part is played by an input of its own; others come from outside, as the residuals of a ControlNet do.
  const { pooledDim, guidance, masked = false } = conditioning;
  if (masked && ends.streams[0] !== "txt") {
    throw new Unrecognized(
      "the mask of tokens",
      "those of the text before those of the picture",
      "those of the picture first",
    );
  }
  if (inputs.size !== 5 + Number(pooledDim !== null) + Number(guidance) + Number(masked)) {
    throw new Unrecognized("the inputs", "one input for each part", [...inputs.values()].join(", "));
  }
  const [attention] = blocks.map((block) => block.attention);
  const heads = attention?.attrs.heads ?? 1;
  const model = {
    doubleBlocks: blocks.filter((b) => b.q.length === 2).length,
    singleBlocks: blocks.filter((b) => b.q.length === 1).length,
    hidden: widthOf(graph, ends.imgEmbedder.outputs[0]),
    heads,
    headDim: widthOf(graph, attention?.outputs[0]) / heads,
    mlpWidth: mlpWidth(walk, form),
    inChannels: widthOf(graph, latents),
    outChannels: widthOf(graph, ends.projOut.outputs[0]),
    contextDim: widthOf(graph, context),
    guidance,
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
  return { model, pooledDim, roles };
}

function widthOf(graph: Graph, id: ValueId | undefined): number {
  return Number(shapeOf(graph, id ?? "").at(-1));
}

/** Channels that the second linear of an MLP reads of the first; all blocks have the same. */
function mlpWidth(walk: FluxWalk, form: BlockForm): number {
  for (const node of walk.graph.nodes) {
    const activated = form.activated(walk, node);
    if (activated !== undefined) return widthOf(walk.graph, activated);
  }
  return 0;
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
