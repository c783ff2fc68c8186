import type { InputRole, NodeOf, ValueId } from "../../ir/graph/graph.js";
import { shapeOf } from "../../ir/graph/graph.js";
import type { Block, Roles, Streams } from "./flux-roles.js";
import type { FluxWalk, Linear } from "./flux-walk.js";

/** The ends of the two streams of tokens. */
export interface Ends {
  readonly streams: Streams;
  readonly imgEmbedder: Linear;
  readonly txtEmbedder: Linear;
  readonly projOut: Linear;
  readonly outModulation: Linear | undefined;
}

/** The image stream is the one the graph's output comes from. */
export function findEnds(walk: FluxWalk, blocks: readonly Block[]): Ends | undefined {
  const projOut = walk.sources(walk.graph.outputs[0])[0];
  const modulation = walk.modulation(projOut?.inputs[0]);
  const norm = walk.producer(modulation?.inputs[0]);
  const imgEmbedder = norm?.op === "layer-norm" ? walk.streamStart(norm.inputs[0]) : undefined;
  if (projOut === undefined || imgEmbedder === undefined) return undefined;
  const starts = streamStarts(walk, blocks);
  const image = starts.indexOf(imgEmbedder);
  const txtEmbedder = starts[1 - image];
  if (starts.length !== 2 || image < 0 || txtEmbedder === undefined) return undefined;
  const streams = image === 1 ? (["txt", "img"] as const) : (["img", "txt"] as const);
  return { streams, imgEmbedder, txtEmbedder, projOut, outModulation: walk.rowSource(modulation?.inputs[1]) };
}

/** The embedders in the order of the joint sequence, from the first block. */
function streamStarts(walk: FluxWalk, blocks: readonly Block[]): readonly (Linear | undefined)[] {
  const first = blocks[0];
  if (first === undefined) return [];
  const normalized = first.q.map((q) => {
    const norm = walk.producer(walk.modulation(q.inputs[0])?.inputs[0]);
    return norm?.op === "layer-norm" ? norm.inputs[0] : undefined;
  });
  if (normalized.length === 2) return normalized.map((x) => walk.streamStart(x));
  const joint = walk.producer(normalized[0]);
  return joint?.op === "concat" ? joint.inputs.map((x) => walk.streamStart(x)) : [];
}

export interface Conditioning {
  readonly roles: Map<ValueId, InputRole>;
  readonly pooledDim: number;
  readonly guidance: boolean;
}

/**
 * The conditioning vector: a sum of two-layer embedders, of the timestep, of the guidance (if there is one)
 * and of the pooled text. The timestep and the guidance have the same form; the timestep is added first.
 */
export function findConditioning(
  walk: FluxWalk,
  modulation: Linear | undefined,
  roles: Roles,
): Conditioning | undefined {
  const activated = walk.producer(modulation?.inputs[0]);
  const inputs = new Map<ValueId, InputRole>();
  let pooledDim: number | undefined;
  const sinusoids: ValueId[] = [];
  const name = (prefix: string, first: Linear, second: Linear) => {
    roles.set(first.outputs[0] ?? "", `${prefix}.0`);
    roles.set(second.outputs[0] ?? "", `${prefix}.1`);
  };
  if (activated?.op !== "silu") return undefined;
  for (const second of addends(walk, activated.inputs[0])) {
    const inner = second === undefined ? undefined : walk.producer(second.inputs[0]);
    const first = inner?.op === "silu" ? walk.sources(inner.inputs[0])[0] : undefined;
    if (second === undefined || first === undefined) return undefined;
    const sinusoid = sinusoidOf(walk, first.inputs[0]);
    const input = walk.inputOf(sinusoid === undefined ? first.inputs[0] : sinusoid.inputs[0]);
    if (input === undefined) return undefined;
    if (sinusoid === undefined) {
      if (pooledDim !== undefined) return undefined;
      inputs.set(input, "pooled");
      pooledDim = Number(shapeOf(walk.graph, first.inputs[0] ?? "").at(-1));
      name("vector_in", first, second);
      continue;
    }
    sinusoids.push(input);
    inputs.set(input, sinusoids.length === 1 ? "timestep" : "guidance");
    name(sinusoids.length === 1 ? "time_in" : "guidance_in", first, second);
  }
  if (pooledDim === undefined || sinusoids.length < 1 || sinusoids.length > 2) return undefined;
  return { roles: inputs, pooledDim, guidance: sinusoids.length === 2 };
}

/** Linears summed into a value, in order. */
function addends(walk: FluxWalk, id: ValueId | null | undefined): readonly (Linear | undefined)[] {
  const node = walk.producer(id);
  if (node?.op === "binary" && node.attrs.fn === "add") return node.inputs.flatMap((i) => addends(walk, i));
  if (node?.op === "reshape" || node?.op === "cast") return addends(walk, node.inputs[0]);
  return [node?.op === "linear" ? node : undefined];
}

function sinusoidOf(
  walk: FluxWalk,
  id: ValueId | null | undefined,
): NodeOf<"timestep-embedding"> | undefined {
  const node = walk.producer(id);
  if (node?.op === "reshape" || node?.op === "cast") return sinusoidOf(walk, node.inputs[0]);
  return node?.op === "timestep-embedding" ? node : undefined;
}

export interface Rotation {
  readonly axes: readonly number[];
  readonly theta: number;
  readonly roles: Map<ValueId, InputRole>;
}

/** Rope tables and the id inputs below them, joined in the order of the streams. */
export function findRotation(walk: FluxWalk, streams: Streams): Rotation | undefined {
  const table = walk.graph.nodes.find((n) => n.op === "rope-table");
  if (table?.op !== "rope-table") return undefined;
  const joint = idParts(walk, table.inputs[0]);
  if (joint.length !== 2) return undefined;
  const roles = new Map<ValueId, InputRole>();
  for (const [s, input] of joint.entries()) {
    if (input === undefined) return undefined;
    roles.set(input, streams[s] === "img" ? "img-ids" : "txt-ids");
  }
  return { axes: table.attrs.axesDims, theta: table.attrs.theta, roles };
}

function idParts(walk: FluxWalk, id: ValueId | null | undefined): readonly (ValueId | undefined)[] {
  const node = walk.producer(id);
  if (node?.op === "concat") return node.inputs.map((i) => walk.inputOf(i));
  return node?.op === "cast" || node?.op === "reshape" ? idParts(walk, node.inputs[0]) : [];
}
