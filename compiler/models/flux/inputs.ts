import type { NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { shapeOf } from "../../../ir/graph/graph.js";
import type { InputRole } from "../../../ir/models/index.js";
import { OtherFamily, Unrecognized } from "../family.js";
import type { Block, Roles, Streams } from "./blocks.js";
import type { FluxWalk, Linear } from "./walk.js";

/** FLUX embeds 1000 times sigma, and 1000 times the guidance scale; some exports leave the multiplication to the caller. */
const SINUSOID_FACTOR = 1000;

/** The ends of the two streams of tokens. */
export interface Ends {
  readonly streams: Streams;
  readonly imgEmbedder: Linear;
  readonly txtEmbedder: Linear;
  readonly projOut: Linear;
  readonly outModulation: Linear | undefined;
}

/** The image stream is the one the graph's output comes from. Throws Unrecognized. */
export function findEnds(walk: FluxWalk, blocks: readonly Block[]): Ends {
  const output = walk.graph.outputs[0];
  const [projOut] = walk.sources(output);
  if (projOut === undefined) throw walk.stop(walk.ends(output)[0], "the linear layer that gives the output");
  const modulation = walk.modulation(projOut.inputs[0]);
  if (modulation === undefined)
    throw walk.stop(projOut.inputs[0], "a modulated norm before the last linear layer");
  const norm = walk.producer(modulation.inputs[0]);
  if (norm?.op !== "layer-norm")
    throw walk.stop(modulation.inputs[0], "a layer norm before the last linear layer");
  const imgEmbedder = walk.streamStart(norm.inputs[0]);
  if (imgEmbedder === undefined)
    throw walk.stop(norm.inputs[0], "an image stream that a linear layer begins");
  const starts = streamStarts(walk, blocks);
  const image = starts.indexOf(imgEmbedder);
  const txtEmbedder = starts[1 - image];
  if (starts.length !== 2 || image < 0 || txtEmbedder === undefined) {
    throw walk.stop(blocks[0]?.attention.inputs[0], "a text and an image stream in the first block");
  }
  const streams = image === 1 ? (["txt", "img"] as const) : (["img", "txt"] as const);
  return { streams, imgEmbedder, txtEmbedder, projOut, outModulation: walk.rowSource(modulation.inputs[1]) };
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
  /** Null where the vector does not depend on pooled text. */
  readonly pooledDim: number | null;
  readonly guidance: boolean;
  /** Whether there is a mask of the text. */
  readonly masked?: boolean;
  /** What the timestep and the guidance are to be multiplied with before they go in. */
  readonly scales: readonly number[];
}

/**
 * The conditioning vector: a sum of two-layer embedders, of the timestep, and where there are such of the guidance
 * and of the pooled text. The timestep and the guidance have the same form; the timestep is added first. Throws Unrecognized.
 */
export function findConditioning(walk: FluxWalk, modulation: Linear | undefined, roles: Roles): Conditioning {
  roles.set(modulation?.outputs[0] ?? "", "norm_out.modulation");
  const activated = walk.producer(modulation?.inputs[0]);
  const inputs = new Map<ValueId, InputRole>();
  let pooledDim: number | null = null;
  const sinusoids: ValueId[] = [];
  const scales: number[] = [];
  const name = (prefix: string, first: Linear, second: Linear) => {
    roles.set(first.outputs[0] ?? "", `${prefix}.0`);
    roles.set(second.outputs[0] ?? "", `${prefix}.1`);
  };
  if (activated?.op !== "silu") {
    const { place, expected, found } = walk.stop(modulation?.inputs[0], "SiLU of the conditioning vector");
    // A sum is what Chroma's residual layers give, whose recognition has to say where it stops.
    const isSum = activated?.op === "binary" && activated.attrs.fn === "add";
    throw new (isSum ? OtherFamily : Unrecognized)(place, expected, found);
  }
  for (const addend of addends(walk, activated.inputs[0])) {
    const second = walk.producer(addend);
    if (second?.op !== "linear") throw walk.stop(addend, "an embedder's second linear layer");
    const inner = walk.producer(second.inputs[0]);
    const first = inner?.op === "silu" ? walk.sources(inner.inputs[0])[0] : undefined;
    if (first === undefined) throw walk.stop(second.inputs[0], "SiLU of an embedder's first linear layer");
    const sinusoid = sinusoidOf(walk, first.inputs[0]);
    const source = sinusoid === undefined ? first.inputs[0] : sinusoid.inputs[0];
    const input = walk.inputOf(source);
    if (input === undefined) throw walk.stop(source, "an input or its sinusoidal embedding");
    if (sinusoid === undefined) {
      if (pooledDim !== null) throw walk.stop(addend, "one embedder of pooled text");
      inputs.set(input, "pooled");
      pooledDim = Number(shapeOf(walk.graph, first.inputs[0] ?? "").at(-1));
      name("vector_in", first, second);
      continue;
    }
    sinusoids.push(input);
    scales.push(scaleOf(sinusoid));
    inputs.set(input, sinusoids.length === 1 ? "timestep" : "guidance");
    name(sinusoids.length === 1 ? "time_in" : "guidance_in", first, second);
  }
  if (sinusoids.length < 1 || sinusoids.length > 2) {
    throw walk.stop(activated.inputs[0], "embedders of the timestep and perhaps of guidance and pooled text");
  }
  return { roles: inputs, pooledDim, guidance: sinusoids.length === 2, scales };
}

/** What an input is to be multiplied with for its sinusoid. */
function scaleOf({ attrs }: NodeOf<"timestep-embedding">): number {
  const scale = SINUSOID_FACTOR / attrs.factor;
  return Math.abs(scale - 1) < 0.01 ? 1 : scale;
}

/** The timestep that a value is the sinusoid of, and what it is to be multiplied with. Throws Unrecognized. */
export function timestepOf(walk: FluxWalk, id: ValueId | null | undefined) {
  const sinusoid = sinusoidOf(walk, id);
  const input = walk.inputOf(sinusoid?.inputs[0]);
  if (sinusoid === undefined || input === undefined) throw walk.stop(id, "the sinusoid of an input");
  return { input, scale: scaleOf(sinusoid) };
}

/** Values summed into a value, in order. */
function addends(walk: FluxWalk, id: ValueId | null | undefined): readonly (ValueId | null | undefined)[] {
  const node = walk.producer(id);
  if (node?.op === "binary" && node.attrs.fn === "add") return node.inputs.flatMap((i) => addends(walk, i));
  if (node?.op === "reshape" || node?.op === "cast") return addends(walk, node.inputs[0]);
  return [id];
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

/** Rope tables and the id inputs below them, joined in the order of the streams. Throws Unrecognized. */
export function findRotation(walk: FluxWalk, streams: Streams): Rotation {
  const table = walk.graph.nodes.find((n) => n.op === "rope-table");
  if (table?.op !== "rope-table") throw walk.stop(undefined, "rotary tables of position ids");
  const joint = idParts(walk, table.inputs[0]);
  const roles = new Map<ValueId, InputRole>();
  for (const [s, input] of joint.entries()) {
    if (input !== undefined) roles.set(input, streams[s] === "img" ? "img-ids" : "txt-ids");
  }
  if (roles.size !== 2 || joint.length !== 2) {
    throw walk.stop(table.inputs[0], "position ids of text and image, two inputs joined");
  }
  return { axes: table.attrs.axesDims, theta: table.attrs.theta, roles };
}

function idParts(walk: FluxWalk, id: ValueId | null | undefined): readonly (ValueId | undefined)[] {
  const node = walk.producer(id);
  if (node?.op === "concat") return node.inputs.map((i) => walk.inputOf(i));
  return node?.op === "cast" || node?.op === "reshape" ? idParts(walk, node.inputs[0]) : [];
}
