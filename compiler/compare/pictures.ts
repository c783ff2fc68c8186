import type { PipelineModels } from "../../runtime/node/pipeline-models.js";
import { encodePng } from "../../runtime/node/png.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import { psnr } from "./psnr.js";
import { ssim } from "./ssim.js";

/** A picture beside the reference's of the same noise and text. */
export interface ComparedPicture {
  /** dB; Infinity for equal pictures. */
  readonly psnr: number;
  readonly ssim: number;
}

/** PNG files: the reference's pictures, and those of each model. */
export interface PictureFiles {
  readonly reference: readonly Uint8Array[];
  readonly models: readonly (readonly Uint8Array[])[];
}

/** What a PSNR counts in a mean, where equal pictures have none. */
export function countedPsnr(value: number): number {
  return Math.min(99, value);
}

/** Decodes what all models end with, sample by sample, and compares. */
export async function comparePictures(
  pipeline: PipelineModels,
  { width, height }: { readonly width: number; readonly height: number },
  reference: readonly Float32Array[],
  models: readonly (readonly Float32Array[])[],
  signal?: AbortSignal,
): Promise<{ readonly files: PictureFiles; readonly models: readonly (readonly ComparedPicture[])[] }> {
  const files: { reference: Uint8Array[]; models: Uint8Array[][] } = {
    reference: [],
    models: models.map(() => []),
  };
  const compared = models.map((): ComparedPicture[] => []);
  const decode = (latents: Float32Array): Promise<Picture> => {
    signal?.throwIfAborted();
    return pipeline.decode(latents, height, width);
  };
  for (const [sample, latents] of reference.entries()) {
    const wanted = await decode(latents);
    files.reference.push(encodePng(wanted));
    for (const [i, own] of models.entries()) {
      const picture = await decode(own[sample] ?? new Float32Array());
      compared[i]?.push({ psnr: psnr(picture, wanted), ssim: ssim(picture, wanted) });
      files.models[i]?.push(encodePng(picture));
    }
  }
  return { files, models: compared };
}
