import {
  type TimestepEmbeddingParams,
  timestepEmbeddingSignature,
} from "../../ir/families/timestep-embedding.js";
import { sinusoidFrequencies } from "../../ir/ops/frequencies.js";
import type { KernelDefinition } from "../family.js";
import { defineWat, watArgs } from "../wat/define.js";

export function timestepEmbeddingWat(params: TimestepEmbeddingParams): KernelDefinition {
  const { dim, factor, sinFirst } = params;
  const signature = timestepEmbeddingSignature(params);
  const half = dim / 2;
  const first = (j: number) => 4 * j;
  const second = (j: number) => 4 * (half + j);
  const frequencies = sinusoidFrequencies(params).map((frequency, j) => ({
    value: Math.fround(frequency),
    cos: sinFirst ? second(j) : first(j),
    sin: sinFirst ? first(j) : second(j),
  }));
  return defineWat("timestep-embedding", params, signature, {
    template: "timestep-embedding/timestep-embedding.wat.hbs",
    values: { args: watArgs(signature), factor, frequencies, tileM: 1 },
    tile: [1, 1, 1],
  });
}
