import { type LayerError, mean } from "./layer-errors.js";
import { type ComparedPicture, countedPsnr, type PictureFiles } from "./pictures.js";

/** What was found out of models beside a reference. */
export interface Comparison {
  readonly reference: Ran;
  readonly models: readonly ModelMeasures[];
  /** Null where nothing was drawn. */
  readonly drawn: Drawn | null;
}

/** A model, and where it ran. */
export interface Ran {
  readonly path: string;
  /** The target whose kernels ran; null for ONNX Runtime. */
  readonly target: string | null;
}

/** What all models drew. */
export interface Drawn {
  readonly width: number;
  readonly height: number;
  readonly textTokens: number;
  readonly steps: number;
  /** Null for models that take none. */
  readonly guidance: number | null;
  readonly samples: readonly { readonly prompt: string; readonly seed: number }[];
  readonly files: PictureFiles;
}

export interface ModelMeasures extends Ran {
  readonly drawn: DrawnMeasures | null;
  /** Null without moments. */
  readonly layers: LayerMeasures | null;
}

export interface DrawnMeasures {
  /** [steps] ‖v̂ − v‖ / ‖v‖ at the reference's latents, mean over the samples. */
  readonly velocityErrors: readonly number[];
  /** [steps] ‖x̂ − x‖ / ‖x‖ after each step, each model on its own way from the same noise; mean over the samples. */
  readonly latentDistances: readonly number[];
  /** Of each sample. */
  readonly pictures: readonly ComparedPicture[];
}

export interface LayerMeasures {
  /** In the order of the reference's graph. */
  readonly errors: readonly LayerError[];
  /** Layers that the reference has no counterpart of. */
  readonly left: readonly string[];
}

/** One number for each measure; null where it was not taken. */
export interface Means {
  readonly velocityError: number | null;
  /** Of the last latents. */
  readonly latentDistance: number | null;
  /** dB, equal pictures as 99. */
  readonly psnr: number | null;
  readonly ssim: number | null;
  readonly layerError: number | null;
}

export function meansOf({ drawn, layers }: ModelMeasures): Means {
  const of = (values: readonly number[] | undefined) =>
    values === undefined || values.length === 0 ? null : mean(values);
  return {
    velocityError: of(drawn?.velocityErrors),
    latentDistance: drawn?.latentDistances.at(-1) ?? null,
    psnr: of(drawn?.pictures.map(({ psnr }) => countedPsnr(psnr))),
    ssim: of(drawn?.pictures.map(({ ssim }) => ssim)),
    layerError: of(layers?.errors.map(({ error }) => error)),
  };
}
