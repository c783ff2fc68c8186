import { isBig } from "../constant/convert.js";
import { type RopeFrequencies, ropePairs, sinusoidFrequencies } from "../ops/frequencies.js";
import type { OpAttrs } from "../ops/index.js";
import type { Tensor } from "../tensor.js";
import { type Context, newFloats, numbers, OpError, type Section } from "./value.js";

function ropeTable(ids: Tensor, options: RopeFrequencies, context: Context): readonly Tensor[] {
  const axes = ids.shape[ids.shape.length - 1] ?? 1;
  const count = options.axesDims.length;
  if (axes !== count) throw new OpError(`${axes} id axes for ${count} rope axes`);
  const pairs = ropePairs(options);
  // With a batch axis every sample has the same ids.
  const tokens = ids.shape[ids.shape.length - 2] ?? 1;
  const half = pairs.length;
  const dtype = ids.dtype === "f64" ? "f64" : "f32";
  const cos = newFloats(dtype, tokens * half, context.wide);
  const sin = newFloats(dtype, tokens * half, context.wide);
  const position = numbers(ids);
  for (let t = 0, i = 0; t < tokens; t++) {
    for (const { axis, frequency } of pairs) {
      const angle = position[t * axes + axis]! * frequency;
      cos[i] = Math.cos(angle);
      sin[i++] = Math.sin(angle);
    }
  }
  const shape = [tokens, half];
  return [
    { dtype, shape, data: cos },
    { dtype, shape, data: sin },
  ];
}

function timestepEmbedding(t: Tensor, options: OpAttrs["timestep-embedding"], context: Context): Tensor {
  const { dim, factor, sinFirst } = options;
  const half = dim / 2;
  const times = numbers(t);
  const dtype = isBig(t.data) ? "f32" : t.dtype;
  const out = newFloats(dtype, times.length * dim, context.wide);
  // Angles run into the thousands, so their rounding shows: frequencies and products are rounded to f32, as
  // exported models and kernels do.
  const round = context.wide ? (v: number) => v : Math.fround;
  const frequencies = sinusoidFrequencies(options).map(round);
  for (let b = 0; b < times.length; b++) {
    const time = round(factor * times[b]!);
    for (let j = 0; j < half; j++) {
      const angle = round(time * frequencies[j]!);
      out[b * dim + j + (sinFirst ? half : 0)] = Math.cos(angle);
      out[b * dim + j + (sinFirst ? 0 : half)] = Math.sin(angle);
    }
  }
  return { dtype, shape: [...t.shape, dim], data: out };
}

/** Sines and cosines of positions and times. */
export const EMBEDDINGS: Section<"embeddings"> = {
  "rope-table": (x, attrs, c) => ropeTable(x.tensor(0), attrs, c),
  "timestep-embedding": (x, attrs, c) => timestepEmbedding(x.tensor(0), attrs, c),
};
