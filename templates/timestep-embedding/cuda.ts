import { timestepEmbeddingForms } from "../../ir/families/launch/rows.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import { kernelTemplates } from "../kernel-templates.js";

export const timestepEmbeddingCuda = kernelTemplates(timestepEmbeddingForms.cuda, {
  configs: () => [{ variant: "sines", threads: 128, blocks: 8 }],
  values: {
    sines(params, { blocks }) {
      const { factor, sinFirst } = params;
      const frequencies = sinusoidFrequencies(params);
      return { half: frequencies.length, factor, frequencies, sinFirst, blocks };
    },
  },
});
