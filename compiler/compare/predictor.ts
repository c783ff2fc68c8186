import type { ModelDescription } from "../../ir/models/index.js";
import type { OpenedBundle } from "../../runtime/node/bundle.js";
import { type OpenDeviceOptions, openDevice } from "../../runtime/node/open-device.js";
import { requireFinite } from "../../runtime/not-finite.js";
import { beginVelocities } from "../../runtime/velocities.js";
import { guidedVelocities } from "../calibrate/guided.js";
import { openTransformer, type WrittenTransformer } from "../calibrate/transformer.js";
import { noiseOf, type Sample, type Sitting } from "./sitting.js";

/** What a model predicts for each of some samples at a step of the schedule. */
export type Velocities = (step: number, latents: readonly Float32Array[]) => Promise<readonly Float32Array[]>;

/** A model that is ready to compute. */
export interface Predictor {
  /** Samples that are asked for together. */
  readonly batch: number;
  /** Begins the next samples; those before are over. */
  begin(sitting: Sitting, samples: readonly Sample[]): Promise<Velocities>;
  close(): Promise<void>;
}

/** Samples that ONNX Runtime computes together. */
const BATCH = 8;

/** A transformer in ONNX Runtime. */
export async function ortPredictor(
  written: WrittenTransformer,
  model: ModelDescription,
  path: string,
  threads: number | undefined,
): Promise<Predictor> {
  const transformer = await openTransformer(written, threads);
  return {
    batch: written.takesBatches ? BATCH : 1,
    begin: async ({ geometry, schedule, guidance, twoPasses }, samples) =>
      finite(path, (step, latents) => {
        const timesteps = schedule.modelTimesteps.subarray(step, step + 1);
        const second = twoPasses === undefined ? {} : { twoPasses };
        return guidedVelocities(
          transformer,
          samples.map(({ text }, i) => {
            const { context, contextTokens, shownTokens, pooled } = text;
            const own = latents[i] ?? new Float32Array();
            const query = {
              model,
              geometry,
              context,
              contextTokens,
              shownTokens,
              pooled,
              guidance,
              timesteps,
              latents: own,
            };
            return { ...query, ...second };
          }),
        );
      }),
    close: () => transformer.close(),
  };
}

/** A bundle through its kernels, on the device of its target. */
export async function bundlePredictor(bundle: OpenedBundle, options: OpenDeviceOptions): Promise<Predictor> {
  const { program, code, weights, manifest, folder } = bundle;
  const device = await openDevice(program.target, options);
  try {
    const { promptWeights } = manifest.memory;
    const loaded = await device.load(program, code, weights, { promptWeights });
    return {
      batch: 1,
      async begin(sitting, [sample]) {
        if (sample === undefined) throw new RangeError("there is no sample");
        const { geometry, schedule, guidance, twoPasses } = sitting;
        const latents = noiseOf(sitting, sample);
        const second = twoPasses === undefined ? {} : { twoPasses };
        const request = { ...sample.text, geometry, schedule, guidance, latents, ...second };
        const velocity = await beginVelocities(loaded, program, request);
        return finite(folder, async (step, [x = latents]) => [await velocity(step, x)]);
      },
      async close() {
        await loaded.close();
        await device.close();
      },
    };
  } catch (error) {
    await device.close();
    throw error;
  }
}

function finite(path: string, velocities: Velocities): Velocities {
  return async (step, latents) => {
    const found = await velocities(step, latents);
    for (const velocity of found) {
      requireFinite(velocity, {
        place: `${path}, step ${step + 1}`,
        what: "what the model predicts",
        remedy: "`tritc verify` says whether a bundle is intact, `tritc eval` what a model computes",
      });
    }
    return found;
  };
}
