import { timestepEmbedding } from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
import { watArgs } from "../wat/values.js";

export const timestepEmbeddingWat = kernelTemplates(timestepEmbedding.forms.wat, {
  configs: () => [{ variant: "timestep-embedding", rows: 1 }],
  values: {
    "timestep-embedding"(params, { rows }, { signature }) {
      const { dim, factor, sinFirst } = params;
      const half = dim / 2;
      const first = (j: number) => 4 * j;
      const second = (j: number) => 4 * (half + j);
      const frequencies = sinusoidFrequencies(params).map((frequency, j) => ({
        value: Math.fround(frequency),
        cos: sinFirst ? second(j) : first(j),
        sin: sinFirst ? first(j) : second(j),
      }));
      return { args: watArgs(signature), factor, frequencies, tileM: rows };
    },
  },
  cost: {
    "timestep-embedding": watStreams(
      timestepEmbedding, // Four calls of functions of the engine for a vector.
      () => ({ more: 300 }),
    ),
  },
});
