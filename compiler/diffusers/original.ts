import type { Constant } from "../../ir/constant/constant.js";
import { checkpointError, someOf } from "./errors.js";
import { type FluxSizes, ROPE_AXES } from "./sizes.js";
import type { StoredTensors } from "./tensors.js";

/** What checkpoints that hold a whole pipeline put before the transformer's names. */
const PREFIX = "model.diffusion_model.";

/** The transformer's tensors of an original checkpoint, under their plain names. */
export function originalTensors(tensors: StoredTensors): StoredTensors {
  const inPipeline = [...tensors.keys()].some((name) => name.startsWith(PREFIX));
  if (!inPipeline) return tensors;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(PREFIX))
      .map(([name, constant]) => [name.slice(PREFIX.length), constant]),
  );
}

/** Sizes of an original checkpoint from its tensors: it has no configuration. Throws TRITC_E_CHECKPOINT. */
export function originalSizes(tensors: StoredTensors, file: string): FluxSizes {
  const [hidden, inChannels] = matrix(tensors, "img_in.weight", file);
  const [, contextDim] = matrix(tensors, "txt_in.weight", file);
  const [, frequencies] = matrix(tensors, "time_in.in_layer.weight", file);
  const [, pooledDim] = matrix(tensors, "vector_in.in_layer.weight", file);
  const [outChannels] = matrix(tensors, "final_layer.linear.weight", file);
  const doubleBlocks = blocks(tensors, "double_blocks");
  const singleBlocks = blocks(tensors, "single_blocks");
  const headDim =
    (
      tensors.get("double_blocks.0.img_attn.norm.query_norm.scale") ??
      tensors.get("single_blocks.0.norm.query_norm.scale")
    )?.shape[0] ?? 0;
  const rotated = ROPE_AXES.reduce((sum, d) => sum + d, 0);
  if (headDim !== rotated || hidden % headDim !== 0) {
    throw checkpointError({
      place: file,
      message:
        "the checkpoint does not have the heads of FLUX.1, and no configuration says how they are rotated",
      expected: `heads of ${rotated} channels`,
      found: headDim === 0 ? "no query_norm.scale" : `heads of ${headDim} in ${hidden} channels`,
      remedy: "give the model as a Diffusers folder",
    });
  }
  const [mlpWidth] = tensors.get("double_blocks.0.img_mlp.0.weight")?.shape ?? [
    (tensors.get("single_blocks.0.linear1.weight")?.shape[0] ?? 0) - 3 * hidden,
  ];
  return {
    doubleBlocks,
    singleBlocks,
    heads: hidden / headDim,
    headDim,
    mlpWidth: mlpWidth ?? 0,
    inChannels,
    outChannels,
    contextDim,
    pooledDim,
    frequencies,
    guidance: tensors.has("guidance_in.in_layer.weight"),
    ropeAxes: ROPE_AXES,
  };
}

function matrix(tensors: StoredTensors, name: string, file: string): readonly [number, number] {
  const found: Constant | undefined = tensors.get(name);
  const [rows, columns] = found?.shape ?? [];
  if (rows !== undefined && columns !== undefined && found?.shape.length === 2) return [rows, columns];
  throw checkpointError({
    place: `${file}: ${name}`,
    message: "the file is no checkpoint of a FLUX transformer",
    expected: "the names of flux1-dev.safetensors, or a Diffusers transformer with its config.json beside it",
    found: found === undefined ? someOf([...tensors.keys()]) || "no tensors" : `[${found.shape.join(", ")}]`,
    remedy: "give a FLUX.1 checkpoint, or the folder of a Diffusers model (adapters go with --lora)",
  });
}

/** One more than the highest number of a block. */
function blocks(tensors: StoredTensors, folder: string): number {
  const pattern = new RegExp(`^${folder}\\.(\\d{1,4})\\.`);
  let count = 0;
  for (const name of tensors.keys()) {
    const number = pattern.exec(name)?.[1];
    if (number !== undefined) count = Math.max(count, Number(number) + 1);
  }
  return count;
}
