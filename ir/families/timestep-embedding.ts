import { rowArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, listOf, nullable, real, size, type ValuesOf } from "./contract/params.js";
import { cudaRow, watRows, wgslRow } from "./launch/row-forms.js";

/** As `SinusoidFrequencies`. */
const params = {
  dim: size,
  factor: real,
  maxPeriod: real,
  shift: real,
  sinFirst: flag,
  frequencies: nullable(listOf(real)),
};
export type TimestepEmbeddingParams = ValuesOf<typeof params>;

/** t[M] → out[M, dim]: cos and sin of factor·t·frequency j, j < dim/2; cos first unless sinFirst. */
export const timestepEmbedding = defineFamily({
  params,
  forms: {
    wat: { "timestep-embedding": watRows<TimestepEmbeddingParams>() },
    wgsl: { sines: wgslRow<TimestepEmbeddingParams>() },
    cuda: { sines: cudaRow<TimestepEmbeddingParams>({ adds: false }) },
  },
  args: ({ dim }) => [rowArg("t", "f32", 1), rowArg("out", "f32", dim, "write")],
  // angle 2, function 1
  operations: perResult(3),
});
