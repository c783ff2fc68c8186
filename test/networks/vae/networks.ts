import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileReader } from "../../../compiler/file-reader.js";
import type { NetworkPart } from "../../../compiler/networks/part.js";
import { vaeParts } from "../../../compiler/networks/vae/index.js";
import { parseSafetensors } from "../../../ir/format/safetensors.js";
import { interpret } from "../../../ir/interpret/index.js";
import type { Tensor } from "../../../ir/tensor.js";

export const FIXTURES = join(import.meta.dirname, "fixtures");

export type Half = "vae_decoder" | "vae_encoder";

export function partOf(folder: string, half: Half): NetworkPart {
  const part = vaeParts(folder).find(({ name }) => name === half);
  if (part === undefined) throw new Error(`no ${half}`);
  return part;
}

/** What the class that a folder is of gave for what it was given. */
export function expectedOf(
  folder: string,
  file = "expected.safetensors",
): {
  readonly [K in Half]: { readonly given: Tensor; readonly wanted: Tensor };
} {
  const tensors = parseSafetensors(readFileSync(join(folder, file)));
  const tensor = (name: string): Tensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`${folder} has no ${name}`);
    return found;
  };
  return {
    vae_decoder: { given: tensor("latents"), wanted: tensor("sample") },
    vae_encoder: { given: tensor("picture"), wanted: tensor("parameters") },
  };
}

/** The one output of a network for its one input. */
export function interpretNetwork(part: NetworkPart, given: Tensor): Tensor {
  const graph = part.build();
  const reader = fileReader();
  try {
    const [output = "", ...others] = graph.outputs;
    const result = interpret(graph, new Map([[graph.inputs[0] ?? "", given]]), { reader }).get(output);
    if (result === undefined || others.length > 0 || graph.inputs.length !== 1)
      throw new Error("one in, one out");
    return result;
  } finally {
    reader.close();
  }
}

/** The largest difference of two tensors of one shape. */
export function difference(a: Tensor, b: Tensor): number {
  if (`${a.shape}` !== `${b.shape}`) throw new Error(`[${a.shape}] against [${b.shape}]`);
  let most = 0;
  for (let i = 0; i < a.data.length; i++) {
    const d = Math.abs(Number(a.data[i]) - Number(b.data[i]));
    if (!(d <= most)) most = d;
  }
  return most;
}
