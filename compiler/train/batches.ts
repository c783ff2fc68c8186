import { shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { type LatentGeometry, roleOf, valuesOf } from "../../ir/models/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import type { BatchedGraph } from "../calibrate/transformer.js";
import type { Calibration, StoredSample } from "../calibration/folder.js";
import { drawNormals, drawUniforms } from "./engine/random.js";

export interface BatchOptions {
  readonly size: number;
  readonly seed: number;
  /** Mean of the logarithm of σ/(1 − σ), whose deviation is 1: the schedule's shift. */
  readonly logShift: number;
  /** Of the calibration's pictures. */
  readonly geometry: LatentGeometry;
}

type Values = ReturnType<typeof valuesOf>;

/** What random numbers of a step are drawn for. */
const PURPOSE = { samples: 0, levels: 1, noise: 2, negative: 4 } as const;
/** Share of the samples that are seen with the negative prompt, where there is one: the second pass is learned too. */
const NEGATIVE = 0.12;

/**
 * The model's inputs of each training step, which follow from the seed and the step's number alone: samples of the
 * calibration on the way from noise, x = (1 − σ)·x₀ + σ·ε, with σ logit-normal as in "Scaling Rectified Flow Transformers for
 * High-Resolution Image Synthesis" (section 3.1), shifted as the model's own schedule is.
 *
 * @param teacher its graph is bound to the sizes of the calibration and to batches of this size
 */
export function batches(
  { graph, batchAxes }: BatchedGraph,
  calibration: Calibration,
  { size, seed, logShift, geometry }: BatchOptions,
): (step: number) => Promise<Map<ValueId, Tensor>> {
  const { model } = graph;
  if (model === undefined) throw new Error("only a recognized model is trained");
  const { description, count } = calibration;
  let negative: ReturnType<Calibration["negative"]> | undefined;

  return async (step) => {
    negative ??= calibration.negative();
    const other = await negative;
    const samples: Values[] = [];
    const draw = (purpose: number) => ({ seed, step, purpose });
    const choices = drawUniforms(draw(PURPOSE.samples), size);
    const levels = drawNormals(draw(PURPOSE.levels), size);
    const shares = drawUniforms(draw(PURPOSE.negative), size);
    const noise = drawNormals(draw(PURPOSE.noise), size * description.imageTokens * model.inChannels);
    for (let i = 0; i < size; i++) {
      const stored = await calibration.read(Math.floor((choices[i] ?? 0) * count));
      const { context, pooled } = other !== undefined && (shares[i] ?? 1) < NEGATIVE ? other : stored;
      const sigma = 1 / (1 + Math.exp(-(logShift + (levels[i] ?? 0))));
      const elements = stored.latents.length;
      samples.push(
        valuesOf({
          model,
          geometry,
          latents: between(stored, noise.subarray(i * elements, (i + 1) * elements), sigma),
          ...{ context, pooled, contextTokens: description.textTokens },
          guidance: stored.guidance,
          timesteps: Float32Array.of(sigma),
        }),
      );
    }
    return new Map(graph.inputs.map((id) => [id, feed(id, samples)]));
  };

  function feed(id: ValueId, samples: readonly Values[]): Tensor {
    const role = roleOf(model, id);
    if (role === null) throw new Error(`no value for ${id}`);
    const shape = shapeOf(graph, id).map(Number);
    const data = new Float32Array(countOf(shape));
    const parts = batchAxes.get(id) === 0 ? samples : samples.slice(0, 1);
    for (const [i, values] of parts.entries()) data.set(values(role), (i * data.length) / parts.length);
    const { dtype } = graph.types.get(id) ?? { dtype: "f32" };
    if (dtype === "i64")
      return { dtype, shape, data: BigInt64Array.from(data, (x) => BigInt(Math.round(x))) };
    if (dtype === "i32") return { dtype, shape, data: Int32Array.from(data) };
    return { dtype, shape, data };
  }
}

/** (1 − σ)·x₀ + σ·ε */
function between({ latents }: StoredSample, noise: Float32Array, sigma: number): Float32Array {
  return latents.map((x, i) => (1 - sigma) * x + sigma * (noise[i] ?? 0));
}
