import type { OpenDeviceOptions } from "../../runtime/node/open-device.js";
import type { Resolution } from "../resolutions.js";

export interface CompareOptions extends OpenDeviceOptions {
  /** A model as `compileModel` takes it, or a bundle. */
  readonly reference: string;
  readonly others: readonly string[];
  /** What to draw; nothing is drawn without. */
  readonly prompts?: readonly string[];
  /** Pictures of each prompt; 1 if absent. */
  readonly count?: number | undefined;
  /** Of the first picture's noise; the others count on from it; 0 if absent. */
  readonly seed?: number | undefined;
  /** As the reference draws if absent, like what follows. */
  readonly steps?: number | undefined;
  readonly guidance?: number | undefined;
  readonly resolution?: Resolution | undefined;
  readonly textLength?: number | undefined;
  /** Folder of tokenizers, encoders, VAE and scheduler; that of the first model that has one if absent. */
  readonly pipeline?: string | undefined;
  /** A calibration of the reference with moments: layers are compared too. */
  readonly calibration?: string | undefined;
  readonly onProgress?: ((progress: CompareProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CompareProgress {
  /** weights: tensors of a model. steps: of the pictures that it draws. layers: of the reference. */
  readonly phase: "weights" | "steps" | "layers";
  readonly path: string;
  readonly done: number;
  readonly total: number;
}
