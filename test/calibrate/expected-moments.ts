import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linearInputs } from "../../compiler/calibrate/moments-graph.js";
import type { Calibration } from "../../compiler/calibration/folder.js";
import { fileReader } from "../../compiler/file-reader.js";
import { evaluateDim } from "../../ir/dim.js";
import { dtypeOf, type Graph, shapeOf } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { latentGeometry } from "../../ir/models/flux1/latents.js";
import { roleOf, valuesOf } from "../../ir/models/index.js";
import { readSchedulerConfig } from "../../ir/sampling/scheduler-config.js";
import type { Tensor } from "../../ir/tensor.js";
import { initialLatents } from "../../runtime/noise.js";
import { makeSchedule } from "../../runtime/scheduler.js";

/** The mean of x·xᵀ and of x over all samples and steps, by (Δσ)², of each input: sampled in the interpreter from pictures of 64x64 and 12 tokens. */
export async function expectedMoments(
  graph: Graph,
  { pipeline, calibration }: { readonly pipeline: string; readonly calibration: Calibration },
): Promise<Map<string, { second: Float64Array; mean: Float64Array }>> {
  const reader = fileReader();
  const { model } = graph;
  if (model === undefined) throw new Error("not recognized");
  const geometry = latentGeometry(64, 64);
  const { steps, seed } = calibration.description;
  const path = join(pipeline, "scheduler", "scheduler_config.json");
  const config = readSchedulerConfig(JSON.parse(readFileSync(path, "utf8")), path);
  const { sigmas, modelTimesteps } = makeSchedule(config, { steps, imageTokens: 16 });
  const inputs = linearInputs(graph);
  const sums = new Map(
    inputs.map(({ id, width }) => [
      id,
      { second: new Float64Array(width * width), mean: new Float64Array(width), weight: 0 },
    ]),
  );
  for (let k = 0; k < calibration.count; k++) {
    const { context, pooled, guidance } = await calibration.read(k);
    const latents = initialLatents(seed + k, geometry);
    for (const [step, timestep] of modelTimesteps.entries()) {
      const given = { model, geometry, latents, context, contextTokens: 12, pooled, guidance };
      const values = valuesOf({ ...given, timesteps: Float32Array.of(timestep) });
      const feeds = graph.inputs.map((id): [string, Tensor] => {
        const role = roleOf(model, id) ?? "latents";
        const shape = shapeOf(graph, id).map((dim) => evaluateDim(dim, { img_tokens: 16, txt_tokens: 12 }));
        const dtype = dtypeOf(graph, id);
        const data = values(role);
        return [id, { dtype, shape, data: dtype === "i64" ? BigInt64Array.from(data, BigInt) : data }];
      });
      const keep = inputs.map(({ id }) => id);
      const found = interpret(graph, new Map(feeds), { reader, precision: "f64", keep });
      const delta = (sigmas[step + 1] ?? 0) - (sigmas[step] ?? 0);
      for (const { id, width } of inputs) {
        const sum = sums.get(id);
        const x = Float64Array.from(found.get(id)?.data ?? [], Number);
        for (let row = 0; sum !== undefined && row < x.length; row += width) {
          sum.weight += delta ** 2;
          for (let i = 0; i < width; i++) {
            const scaled = delta ** 2 * (x[row + i] ?? Number.NaN);
            sum.mean[i] = (sum.mean[i] ?? 0) + scaled;
            for (let j = 0; j < width; j++) {
              sum.second[i * width + j] =
                (sum.second[i * width + j] ?? 0) + scaled * (x[row + j] ?? Number.NaN);
            }
          }
        }
      }
      const velocity = found.get(graph.outputs[0] ?? "");
      for (let i = 0; i < latents.length; i++)
        latents[i] = (latents[i] ?? 0) + delta * Number(velocity?.data[i] ?? Number.NaN);
    }
  }
  reader.close();
  return new Map(
    [...sums].map(([id, { second, mean, weight }]) => [
      id,
      { second: second.map((v) => v / weight), mean: mean.map((v) => v / weight) },
    ]),
  );
}
