import {
  type TimestepEmbeddingParams,
  timestepEmbeddingSignature,
} from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import type { Target } from "../../targets/target.js";
import type { KernelDefinition } from "../family.js";
import { exactly } from "../wgsl/define.js";
import { defineRowKernel } from "../wgsl/row-kernel.js";

export function timestepEmbeddingWgsl(params: TimestepEmbeddingParams, target: Target): KernelDefinition {
  const { dim, factor, sinFirst } = params;
  const half = exactly(dim, 2, "channels of the embedding");
  return defineRowKernel(
    {
      family: "timestep-embedding",
      params,
      signature: timestepEmbeddingSignature(params),
      template: "timestep-embedding/sines.wgsl.hbs",
      values: {
        half,
        factor,
        // exp loses accuracy with the size of its argument: frequencies are tabulated in double precision.
        frequencies: sinusoidFrequencies(params),
        sinFirst,
      },
    },
    target,
  );
}
