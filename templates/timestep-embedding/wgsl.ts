import { timestepEmbedding } from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import { kernelTemplates } from "../kernel-templates.js";
import { exactly } from "../wgsl/exactly.js";
import { wgslStreams } from "../wgsl/streams.js";

export const timestepEmbeddingWgsl = kernelTemplates(timestepEmbedding.forms.wgsl, {
  configs: () => [{ variant: "sines", threads: 64 }],
  values: {
    sines: (params, { threads }) => ({
      half: exactly(params.dim, 2, "channels of the embedding"),
      factor: params.factor,
      // exp loses accuracy with the size of its argument: frequencies are tabulated in double precision.
      frequencies: sinusoidFrequencies(params),
      sinFirst: params.sinFirst,
      threads,
    }),
  },
  cost: {
    sines: wgslStreams(timestepEmbedding, () => ({ more: 20 })),
  },
});
