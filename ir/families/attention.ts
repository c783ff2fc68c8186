import { rowArg, tableArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { flag, floats, optional, real, size, type ValuesOf } from "./contract/params.js";
import { scalar } from "./contract/sizes.js";

const params = {
  heads: size,
  /** A multiple of 4. */
  headDim: size,
  scale: real,
  /** What q, k, v and out are stored in; f32 if absent. */
  storage: optional(floats),
  /**
   * Scores may come from int8 codes of q and k, made on the way with a scale per row (bf16 storage only): of scores with
   * a standard deviation of 1 that is some 0.7% in the output, beside 0.2% from bf16.
   */
  int8: optional(flag),
};
export type AttentionParams = ValuesOf<typeof params>;

const keys = scalar(0);

/** out[T, H·D] = softmax(scale · q · kᵀ) · v per head, over all `keys` rows of k and v. Scalar: keys. */
export const attention = defineFamily({
  params,
  args({ heads, headDim, storage = "f32" }) {
    const width = heads * headDim;
    return [
      rowArg("q", storage, width),
      tableArg("k", storage, keys, width),
      tableArg("v", storage, keys, width),
      rowArg("out", storage, width, "write"),
    ];
  },
  scalars: () => ["u32"],
  grid: ({ heads }) => [heads, "rows", 1],
  operations({ heads, headDim, storage = "f32", int8 = false }, { rows, scalars: [count = 0] }) {
    const product = 2 * rows * count * heads * headDim;
    if (storage === "f32") return { f32: 2 * product };
    return int8 ? { int8: product, bf16: product } : { bf16: 2 * product };
  },
});

export const attentionSignature = attention.signature;
