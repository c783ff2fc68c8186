/** What Diffusers draws with the tiny pipelines of `test/models/diffusers`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { decodePng } from "../../runtime/node/png.js";
import type { DrawRequest } from "../../runtime/pipeline/draw.js";
import type { Picture } from "../../runtime/pipeline/picture.js";

export const TINY_PIPELINES = ["flux1", "klein"] as const;

export interface DiffusersCase {
  readonly folder: string;
  readonly request: DrawRequest & { readonly latents: Float32Array };
  /** The last latents, packed. */
  readonly latents: Float32Array;
  readonly picture: Picture;
}

export function diffusersCase(name: (typeof TINY_PIPELINES)[number]): DiffusersCase {
  const folder = join("test/models/diffusers", name);
  const read = (file: string) => new Uint8Array(readFileSync(join(folder, "expected", file)));
  const tensor = latentsOf(read("latents.safetensors"));
  const call: DrawRequest = JSON.parse(new TextDecoder().decode(read("case.json")));
  return {
    folder,
    request: { ...call, latents: tensor("latents") },
    latents: tensor("result"),
    picture: decodePng(read("picture.png"), "picture.png", "ignored"),
  };
}

/** Latents of a file by name, packed. */
export function latentsOf(bytes: Uint8Array): (name: string) => Float32Array {
  const tensors = parseSafetensors(bytes);
  return (name) => packed(tensors.get(name));
}

/** FLUX.2's pipeline takes noise as [1, channels, rows, columns], FLUX.1's as [1, tokens, channels]. */
function packed(tensor: Tensor | undefined): Float32Array {
  if (tensor === undefined) throw new Error("no such tensor");
  const data = Float32Array.from(tensor.data, Number);
  if (tensor.shape.length === 3) return data;
  const [, channels = 1, rows = 1, columns = 1] = tensor.shape;
  const tokens = rows * columns;
  return data.map((_, i) => data[(i % channels) * tokens + Math.floor(i / channels)] ?? 0);
}
