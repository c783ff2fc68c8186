import {
  type TimestepEmbeddingParams,
  timestepEmbeddingSignature,
} from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import type { Target } from "../../targets/target.js";
import { defineCudaRows } from "../cuda/row-plan.js";
import type { KernelDefinition } from "../family.js";

export function timestepEmbeddingCuda(params: TimestepEmbeddingParams, target: Target): KernelDefinition {
  const { factor, sinFirst } = params;
  const frequencies = sinusoidFrequencies(params);
  return defineCudaRows(
    {
      family: "timestep-embedding",
      params,
      signature: timestepEmbeddingSignature(params),
      template: "timestep-embedding/sines.cu.hbs",
      values: { half: frequencies.length, factor, frequencies, sinFirst },
      threads: 128,
      blocks: 8,
      rows: 1,
    },
    target,
  );
}
