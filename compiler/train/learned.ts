import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { encodeHeader, type TensorSpec } from "../../ir/format/safetensors.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { writeFileAtomic } from "../atomic-file.js";
import { headerOf, storedTensors } from "../checkpoint/tensors.js";
import type { FrozenCodes, Trained } from "./student.js";

/** What training has made of parameters, by name: ternary weights are codes and scales, everything else stays what it is. */
export type Learned = ReadonlyMap<string, Constant>;

/** Where the notes are in the file's metadata. */
const NOTES = "tritc-learned";

/** Writes what was learned as a safetensors file, which is whole or not there. Values are read one by one. */
export async function saveLearned(
  path: string,
  trained: readonly Trained[],
  read: (id: ValueId) => Promise<Tensor> | Tensor,
  notes: unknown = null,
): Promise<void> {
  await writeFileAtomic(path, async (file) => {
    await file.writeFile(encodeHeader(trained.map(specOf), { [NOTES]: JSON.stringify(notes) }));
    for (const value of trained) {
      const { data } = await read(value.id);
      if (!(data instanceof Float32Array)) throw new Error(`${value.id} is not held as floats`);
      await file.writeFile(encodeBytes(specOf(value).dtype, value.kind === "latent" ? codesOf(data) : data));
    }
  });
}

/** The tensor of a value. */
export function specOf({ parameter: { id }, kind, shape }: Trained): TensorSpec {
  if (kind === "latent") return { name: `${id}.codes`, dtype: "i8", shape };
  return { name: kind === "scale" ? `${id}.scales` : id, dtype: "f32", shape };
}

/** As `JSON.parse` gives them. */
export function notesOf(path: string): unknown {
  return JSON.parse(headerOf(path).metadata.get(NOTES) ?? "null");
}

/** Throws TRITC_E_SAFETENSORS. */
export function openLearned(path: string): Learned {
  return storedTensors(path).constants;
}

/** The same with codes that were there before. */
export function withCodes(learned: Learned, codes: FrozenCodes = new Map()): Learned {
  return new Map([...learned, ...[...codes].map(([id, of]) => [`${id}.codes`, of] as const)]);
}

/** A graph on what was learned of its parameters: on ternary linears where they are ternary. */
export function onLearned(graph: Graph, learned: Learned): Graph {
  const constants = new Map([...graph.constants, ...learned]);
  const types = new Map(graph.types);
  for (const [id, { dtype, shape }] of learned) types.set(id, { dtype, shape });
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "linear") return node;
    const [x = null, weight, ...rest] = node.inputs;
    const [codes, scales] = [`${weight}.codes`, `${weight}.scales`];
    if (!learned.has(codes)) return node;
    const inputs = [x, codes, scales, ...rest];
    return { ...node, op: "ternary-linear", inputs, attrs: { ...node.attrs, quantized: false } };
  });
  return { ...graph, constants, types, nodes };
}

/** clip(round(u), −1, 1), half to even as in training: ±.5 is 0. */
function codesOf(latent: Float32Array): Int8Array {
  const codes = new Int8Array(latent.length);
  // `Int8Array.from` with a function collects all values first, and takes many times as long.
  for (let i = 0; i < codes.length; i++) {
    const u = latent[i] ?? 0;
    if (Math.abs(u) > 0.5) codes[i] = u > 0 ? 1 : -1;
  }
  return codes;
}
