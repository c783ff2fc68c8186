import { join } from "node:path";
import { convertData } from "../../ir/constant/convert.js";
import { MANIFEST_FILE, parseManifest } from "../../ir/format/manifest.js";
import { serialize } from "../../ir/format/safetensors.js";
import { familyOf } from "../../ir/models/index.js";
import type { GenerateOptions } from "../../runtime/node/generate.js";
import { decodePng } from "../../runtime/node/png.js";
import { readRegular } from "../../runtime/node/regular-file.js";
import { requireConditions } from "../../runtime/pipeline/given-pictures.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import { secondPass } from "../../runtime/pipeline/second-pass.js";
import { requirePadding } from "../../runtime/pipeline/text-padding.js";
import { MOST_METADATA_BYTES, readRegularText } from "../regular-file.js";
import { isBundle } from "./is-bundle.js";
import { readTensors } from "./safetensors-file.js";
import type { RunOptions, SamplingOptions } from "./sampling-options.js";
import { usageError } from "./usage-error.js";

/** Of a picture file. */
export const MOST_PICTURE_BYTES = 1 << 28;

/** What is asked of every picture. */
type RequestOptions = SamplingOptions &
  Pick<
    RunOptions,
    | "negativePrompt"
    | "trueCfgScale"
    | "textPadding"
    | "control"
    | "image"
    | "mask"
    | "strength"
    | "autoResize"
    | "latents"
  >;

/** What all pictures of a run have in common; refused before the bundle is loaded where the model does not take it. */
export async function readRequest(
  bundle: string,
  options: RequestOptions,
): Promise<Omit<GenerateOptions, "prompt" | "image"> & { readonly image: readonly Picture[] | undefined }> {
  const { steps, sampler, guidance, trueCfgScale, negativePrompt, textLength, resolution } = options;
  const { control, image, mask, strength, latents, textPadding } = options;
  // Without a manifest the generator says what the folder is not.
  const { sampling, model } = isBundle(bundle) ? readManifest(bundle) : { sampling: null, model: null };
  // A pipeline beside the bundle may say that the model is another kind.
  if (sampling !== null && sampling.condition !== null && model !== null && options.pipeline === undefined) {
    const { references } = familyOf(model).sampling;
    requireConditions(sampling.condition, { control, image, mask, strength }, bundle, references?.most);
    const scale = sampling.guidance === null ? null : (guidance ?? sampling.guidance);
    requirePadding(model, textPadding);
    secondPass(model, { guidance: scale, trueCfgScale, negativePrompt });
  }
  const images = await Promise.all((image ?? []).map((path) => readPicture(path)));
  return {
    steps,
    sampler,
    guidance,
    negativePrompt,
    trueCfgScale,
    strength,
    // The option is there, as true, where it was not given.
    autoResize: options.autoResize === false ? false : undefined,
    textLength,
    textPadding,
    ...resolution,
    control: control === undefined ? undefined : await readPicture(control),
    image: image === undefined ? undefined : images,
    mask: mask === undefined ? undefined : await readPicture(mask),
    latents: latents === undefined ? undefined : await readLatents(latents, model?.outChannels, options),
  };
}

function readManifest(bundle: string) {
  const place = join(bundle, MANIFEST_FILE);
  return parseManifest(readRegularText(place, MOST_METADATA_BYTES), place);
}

async function readPicture(path: string) {
  return decodePng(await readRegular(path, MOST_PICTURE_BYTES), path, "ignored");
}

/**
 * Tensor `latents`: [1, tokens, channels] or [1, channels, rows, columns], as Diffusers' pipelines take it, or the former
 * without the batch.
 */
async function readLatents(
  path: string,
  channels: number | undefined,
  options: RequestOptions,
): Promise<Float32Array> {
  const tensors = await readTensors(path, options);
  const tensor = tensors.get("latents");
  if (tensor === undefined) {
    throw usageError({
      message: "the file does not hold the latents",
      place: path,
      expected: "a tensor `latents`",
      found: [...tensors.keys()].join(", ") || "none",
      remedy: "save them under this name",
    });
  }
  const { shape, dtype, data } = tensor;
  const values = Float32Array.from(convertData(data, dtype, "f32") as Float32Array);
  if (shape.length === 4 && shape[0] === 1 && shape[1] === channels && channels !== undefined) {
    const tokens = values.length / channels;
    return values.map((_, i) => values[(i % channels) * tokens + Math.floor(i / channels)] ?? 0);
  }
  const batch = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  if (shape.length < 2 || batch !== 1 || (channels !== undefined && shape.at(-1) !== channels)) {
    throw usageError({
      message: "the latents are not those of one picture of this model",
      place: path,
      expected: `[1, tokens, ${channels ?? "channels"}], packed`,
      found: `[${shape.join(", ")}]`,
      remedy: "save what the pipeline's own `latents` argument takes",
    });
  }
  return values;
}

/** The last latents as tensor `result`, in the form in which `--latents` takes the first. */
export function latentsFile(latents: Float32Array, channels: number): Uint8Array {
  const shape = [1, latents.length / channels, channels];
  return serialize(new Map([["result", { dtype: "f32", shape, data: latents }]]));
}
