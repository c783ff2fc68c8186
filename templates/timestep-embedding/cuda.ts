import { timestepEmbedding } from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const timestepEmbeddingCuda = kernelTemplates(timestepEmbedding.forms.cuda, {
  configs: () => [{ variant: "sines", threads: 128, blocks: 8 }],
  values: {
    sines(params, { blocks }) {
      const { factor, sinFirst } = params;
      const frequencies = sinusoidFrequencies(params);
      return { half: frequencies.length, factor, frequencies, sinFirst, blocks };
    },
  },
  cost: {
    sines: cudaStreams(timestepEmbedding, () => ({ access: 8, more: 60 })),
  },
});
