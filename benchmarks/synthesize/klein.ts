import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FluxSizes } from "../../compiler/models/flux/sizes.js";
import { flux2 } from "../../compiler/models/flux2/index.js";
import { diffusersNames } from "../../compiler/models/flux2/modules.js";
import { EPSILON, linearShape, ROPE_AXES, ROPE_THETA } from "../../compiler/models/flux2/sizes.js";
import { encodeHeader } from "../../ir/format/safetensors.js";
import type { GroupSize } from "../../ir/ternary/groups.js";
import { writeMlxWeights } from "./mlx.js";
import { placedFrom, type RandomTensor, writeSyntheticWeights, writeWhole } from "./weights.js";

/** The file that holds its weights. */
export const KLEIN_WEIGHTS_NAME = "diffusion_pytorch_model.safetensors";

/** FLUX.2 klein 4B, as Black Forest Labs released it. */
export const KLEIN_4B: FluxSizes = {
  doubleBlocks: 5,
  singleBlocks: 20,
  heads: 24,
  headDim: 128,
  mlpWidth: 9216,
  inChannels: 128,
  outChannels: 128,
  contextDim: 7680,
  pooledDim: null,
  frequencies: 256,
  timeWidth: 3072,
  timeLayers: 0,
  guidance: false,
  ropeAxes: ROPE_AXES,
  ropeTheta: ROPE_THETA,
  epsilon: EPSILON,
};

/**
 * The tensors of a FLUX.2 transformer in f16 under Diffusers' names, those of its blocks ternary in groups of inputs, as
 * published ternary checkpoints are unpacked.
 */
export function kleinTensors(sizes: FluxSizes, group: GroupSize): readonly RandomTensor[] {
  const { modules, vectors } = diffusersNames(sizes);
  const matrices = modules.flatMap(({ name, roles }): RandomTensor[] => {
    if (!sizes.guidance && roles[0]?.startsWith("guidance_in.")) return [];
    const shapes = roles.map((role) => linearShape(sizes, role));
    const inputs = shapes[0]?.[1] ?? 0;
    const shape = [shapes.reduce((sum, [rows]) => sum + rows, 0), inputs];
    const isTernary = roles.every((role) => flux2.isBlockRole(role));
    return [
      {
        ...{ name: `${name}.weight`, dtype: "f16", shape, center: 0, group: isTernary ? group : null },
        scale: 1 / Math.sqrt(inputs),
      },
    ];
  });
  const norms = vectors.map(({ name }): RandomTensor => {
    return { name, dtype: "f16", shape: [sizes.headDim], scale: 0.1, center: 1, group: null };
  });
  return [...matrices, ...norms];
}

interface WriteOptions {
  /** How ternary weights are stored: in f16, or as MLX quantizes them. */
  readonly form: "unpacked" | "mlx";
  readonly seed: number;
  /** A hole of zeros in the place of weights. */
  readonly sparse?: boolean;
  readonly onProgress?: (bytes: number) => void;
}

/** Writes a transformer folder in Diffusers' layout. Returns the bytes of its weights. */
export async function writeKleinFolder(
  folder: string,
  sizes: FluxSizes,
  tensors: readonly RandomTensor[],
  { form, seed, sparse = false, onProgress = () => undefined }: WriteOptions,
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, KLEIN_WEIGHTS_NAME);
  await writeWhole(path, async (file) => {
    if (form === "mlx") return writeMlxWeights(file, tensors, seed, onProgress);
    const header = encodeHeader(tensors);
    await file.write(header, 0, header.length, 0);
    const { placed, end } = placedFrom(header.length, tensors);
    if (sparse) await file.truncate(end);
    else await writeSyntheticWeights(file, placed, seed, onProgress);
  });
  const write = (name: string, json: unknown) => writeFile(join(folder, name), JSON.stringify(json));
  await write("config.json", configOf(sizes));
  const [group] = tensors.flatMap((tensor) => tensor.group ?? []);
  if (form === "mlx") await write("quantization_config.json", { bits: 2, group_size: group, mode: "affine" });
  return (await stat(path)).size;
}

/** What `config.json` says of it. */
function configOf(sizes: FluxSizes): Readonly<Record<string, unknown>> {
  return {
    _class_name: "Flux2Transformer2DModel",
    patch_size: 1,
    in_channels: sizes.inChannels,
    out_channels: sizes.outChannels,
    num_layers: sizes.doubleBlocks,
    num_single_layers: sizes.singleBlocks,
    attention_head_dim: sizes.headDim,
    num_attention_heads: sizes.heads,
    joint_attention_dim: sizes.contextDim,
    timestep_guidance_channels: sizes.frequencies,
    mlp_ratio: sizes.mlpWidth / (sizes.heads * sizes.headDim),
    axes_dims_rope: sizes.ropeAxes,
    rope_theta: sizes.ropeTheta,
    eps: sizes.epsilon,
    guidance_embeds: sizes.guidance,
  };
}
