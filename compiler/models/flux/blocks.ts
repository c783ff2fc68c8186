import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import type { ModelDescription } from "../../../ir/models/index.js";
import { isKnown } from "../../recognize/known-ops.js";
import type { Unrecognized } from "../family.js";
import type { FluxWalk, Linear } from "./walk.js";

/** One attention and the linears around it. */
export interface Block {
  readonly attention: NodeOf<"attention">;
  /** Queries, keys and values per stream of tokens, in the order of the joint sequence. */
  readonly q: readonly Linear[];
  readonly k: readonly Linear[];
  readonly v: readonly Linear[];
}

/** What blocks are made of where families differ. */
export interface BlockForm {
  /** What the second linear of an MLP reads, where the node makes it of the result of the first. */
  activated(walk: FluxWalk, node: Node): ValueId | undefined;
  /** The role of the linear that gives shift, scale and gate to `double.3.img` or `single.7`. */
  modulation(prefix: string): string;
}

/** Blocks in order of evaluation. Throws Unrecognized. */
export function findBlocks(walk: FluxWalk): readonly Block[] {
  const blocks = walk.graph.nodes
    .filter((node) => node.op === "attention")
    .map((node) => blockOf(walk, node));
  const softmax = walk.graph.nodes.find((node) => node.op === "softmax");
  if (softmax !== undefined) throw noAttention(walk, softmax);
  if (blocks.length === 0) throw walk.stop(walk.graph.outputs[0], "a result of blocks with attention");
  return blocks;
}

/** A softmax that is left is that of an attention with something on the way to it that is not understood. */
function noAttention(walk: FluxWalk, softmax: Node): Unrecognized {
  const where = `of the attention with softmax ${softmax.name ?? softmax.outputs[0]}`;
  let scores = softmax.inputs[0];
  for (;;) {
    const node = walk.producer(scores);
    const scaled = node?.op === "binary" && (node.attrs.fn === "mul" || node.attrs.fn === "div");
    if (node?.op !== "reshape" && node?.op !== "cast" && !scaled) break;
    scores = node.inputs.find((id) => walk.producer(id) !== undefined);
  }
  if (walk.producer(scores)?.op !== "matmul") return walk.stop(scores, `plain scores ${where}`);
  const unknown = walk.graph.nodes.find((node) => !isKnown(walk.graph, node));
  return walk.stop(unknown?.outputs[0], `queries and keys ${where}, in a form that is known`);
}

function blockOf(walk: FluxWalk, attention: NodeOf<"attention">): Block {
  const [q = [], k = [], v = []] = attention.inputs.slice(0, 3).map((input) =>
    walk.ends(input).map((end) => {
      const [linear] = walk.sources(end);
      if (linear === undefined)
        throw walk.stop(end, `a linear layer below ${attention.name ?? attention.outputs[0]}`);
      return linear;
    }),
  );
  if (q.length > 2 || k.length !== q.length || v.length !== q.length) {
    throw walk.stop(attention.outputs[0], "queries, keys and values of one or two streams");
  }
  return { attention, q, k, v };
}

/** Stream names in the order of the joint sequence. */
export type Streams = readonly ["txt", "img"] | readonly ["img", "txt"];

/** Linear (by its output) → role. */
export type Roles = Map<ValueId, string>;

/** Whether a linear of this role is in a double or single block, and so becomes ternary. */
export function isBlockRole(role: string | null): boolean {
  return role !== null && /^(double|single)\./.test(role);
}

/** What the roles of each block's linears begin with. */
export function blockNames({ doubleBlocks, singleBlocks }: ModelDescription): readonly string[] {
  const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}.${i}`);
  return [...names("double", doubleBlocks), ...names("single", singleBlocks)];
}

/** Gives every linear around the attentions its role. The two kinds of blocks count separately. */
export function blockRoles(
  walk: FluxWalk,
  blocks: readonly Block[],
  streams: Streams,
  form: BlockForm,
): Roles {
  const roles: Roles = new Map();
  let doubles = 0;
  let singles = 0;
  for (const block of blocks) {
    if (block.q.length === 2) doubleRoles(walk, block, `double.${doubles++}`, streams, roles, form);
    else singleRoles(walk, block, `single.${singles++}`, roles, form);
  }
  return roles;
}

function give(roles: Roles, linear: Node | undefined, role: string): void {
  const output = linear?.outputs[0];
  if (linear?.op === "linear" && output !== undefined && !roles.has(output)) roles.set(output, role);
}

function doubleRoles(
  walk: FluxWalk,
  block: Block,
  name: string,
  streams: Streams,
  roles: Roles,
  form: BlockForm,
): void {
  for (const [s, stream] of streams.entries()) {
    const prefix = `${name}.${stream}`;
    const [q, k, v] = [block.q[s], block.k[s], block.v[s]];
    projections(roles, prefix, q, k, v);
    const modulation = walk.modulation(q?.inputs[0]);
    const source = walk.rowSource(modulation?.inputs[1]);
    give(roles, source, form.modulation(prefix));
    // The stream's own projection: the one whose residual is the stream that was normalized.
    const residual = walk.producer(modulation?.inputs[0])?.inputs[0];
    for (const out of walk.readers(block.attention.outputs[0])) {
      const after = walk.readers(out.outputs[0]).find((n) => n.op === "gated-residual");
      if (out.op !== "linear" || after === undefined || after.inputs[0] !== residual) continue;
      give(roles, out, `${prefix}.out`);
      feedForward(walk, after.outputs[0], prefix, roles, form);
    }
  }
}

/** layer-norm → modulate → up → activation → down */
function feedForward(
  walk: FluxWalk,
  stream: ValueId | undefined,
  prefix: string,
  roles: Roles,
  form: BlockForm,
): void {
  for (const norm of walk.consumers(stream).filter((n) => n.op === "layer-norm")) {
    for (const modulation of walk.consumers(norm.outputs[0]).filter((n) => n.op === "modulate")) {
      for (const up of walk.readers(modulation.outputs[0])) {
        const activated = activatedBy(walk, up, form);
        const down = walk.readers(activated).find((n) => n.op === "linear");
        if (activated === undefined) continue;
        give(roles, up, `${prefix}.mlp.up`);
        give(roles, down, `${prefix}.mlp.down`);
        give(roles, walk.rowSource(modulation.inputs[1]), `${form.modulation(prefix)}.mlp`);
      }
    }
  }
}

function activatedBy(walk: FluxWalk, up: Node, form: BlockForm): ValueId | undefined {
  if (up.op !== "linear") return undefined;
  const found = walk.readers(up.outputs[0]).map((node) => form.activated(walk, node));
  return found.find((id) => id !== undefined);
}

function singleRoles(walk: FluxWalk, block: Block, name: string, roles: Roles, form: BlockForm): void {
  const [q, k, v] = [block.q[0], block.k[0], block.v[0]];
  const out = walk.readers(block.attention.outputs[0]).find((n) => n.op === "linear");
  const modulation = walk.modulation(q?.inputs[0]);
  const up = walk.readers(modulation?.outputs[0]).find((node) => activatedBy(walk, node, form) !== undefined);
  // One linear for everything (`linear1` of the original implementation).
  if (up !== undefined && up === q) give(roles, up, `${name}.linear1`);
  projections(roles, name, q, k, v);
  give(roles, up, `${name}.mlp.up`);
  give(roles, out, `${name}.out`);
  give(roles, walk.rowSource(modulation?.inputs[1]), form.modulation(name));
}

function projections(roles: Roles, prefix: string, q?: Linear, k?: Linear, v?: Linear): void {
  if (q !== undefined && q === k && q === v) give(roles, q, `${prefix}.qkv`);
  give(roles, q, q === k ? `${prefix}.qk` : `${prefix}.q`);
  give(roles, k, k === v ? `${prefix}.kv` : `${prefix}.k`);
  give(roles, v, `${prefix}.v`);
}
