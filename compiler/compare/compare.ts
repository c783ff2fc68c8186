import { setImmediate } from "node:timers/promises";
import { outOfRange } from "../../ir/bounds.js";
import { checkRequest } from "../../runtime/request.js";
import { openCalibration } from "../calibration/folder.js";
import { requireCalibrationOf } from "../calibration/same-model.js";
import { requireSource } from "../calibration/source.js";
import type { Comparison, LayerMeasures, ModelMeasures } from "./comparison.js";
import { draw } from "./draw.js";
import { layerErrors } from "./layer-errors.js";
import { byRoleOf, layersOf } from "./layers.js";
import { type ComparedModel, pipelineOf, readCompared, requireAlike } from "./models.js";
import type { CompareOptions } from "./options.js";

/**
 * Compares models with a reference: velocities along its trajectories, latents and pictures from the same noise, and with a
 * calibration the results of each layer. One model is open at a time. Throws TRITC_E_COMPARE and those of `readCompared`,
 * `pipelineOf`, `openPipelineModels`, `openDevice` and `openCalibration`.
 */
export async function compareModels(options: CompareOptions): Promise<Comparison> {
  const { reference: path, others: paths, prompts = [], calibration } = options;
  const { seed = 0, steps, guidance, textLength, resolution } = options;
  for (const prompt of prompts) checkRequest({ prompt, seed, steps, guidance, textLength, ...resolution });
  if (paths.length === 0) throw outOfRange("models to compare", "1 or more", 0);
  const pipeline = await pipelineOf([path, ...paths], options.pipeline);
  const opened: ComparedModel[] = [];
  try {
    const request = { pipeline: pipeline.folder, resolution, textLength };
    const reference = await readCompared(path, request);
    opened.push(reference);
    const { exactly, preferably } = reference.textLength;
    for (const other of paths) {
      const found = await readCompared(other, {
        ...request,
        resolution: resolution ?? reference.resolution,
        textLength: textLength ?? exactly ?? preferably,
      });
      opened.push(found);
      requireAlike(reference, found);
      await setImmediate();
      options.signal?.throwIfAborted();
    }
    const [, ...others] = opened;
    const layers =
      calibration === undefined ? [] : await compareLayers(reference, others, { ...options, calibration });
    const result = prompts.length === 0 ? null : await draw(reference, others, pipeline, options);
    return {
      reference: { path, target: reference.target },
      models: others.map(
        ({ path, target }, i): ModelMeasures => ({
          ...{ path, target, drawn: result?.models[i] ?? null, layers: layers[i] ?? null },
        }),
      ),
      drawn: result?.drawn ?? null,
    };
  } finally {
    for (const model of opened) model.close();
  }
}

async function compareLayers(
  reference: ComparedModel,
  others: readonly ComparedModel[],
  { calibration, threads, onProgress, signal }: CompareOptions & { readonly calibration: string },
): Promise<readonly LayerMeasures[]> {
  const { description, moments } = await openCalibration(calibration);
  requireCalibrationOf(reference.model, description, calibration);
  const own = await reference.graph();
  requireSource(own.graph, description, calibration, own.reader);
  const wanted = layersOf(own.graph, own.reader);
  const matched: ReturnType<typeof byRoleOf>[] = [];
  for (const other of others) {
    const { graph, reader } = await other.graph();
    matched.push(byRoleOf(wanted, layersOf(graph, reader)));
  }
  const errors = await layerErrors(
    wanted,
    matched.map(({ found }) => found),
    await moments(),
    {
      ...{ threads, signal },
      onProgress: (done, total) => onProgress?.({ phase: "layers", path: reference.path, done, total }),
    },
  );
  return matched.map(({ left }, i) => ({ errors: errors[i] ?? [], left }));
}
