import { present, rowArg, wholeArg } from "./contract/arguments.js";
import { defineFamily } from "./contract/family.js";
import { perResult } from "./contract/operations.js";
import { flag, real, size, type ValuesOf } from "./contract/params.js";
import { cudaSharedRows, watRows, wgslRow, wgslSubgroupRow } from "./launch/row-forms.js";

const params = {
  c: size,
  epsilon: real,
  /** The scale argument is present. */
  scale: flag,
  /** The bias argument is present. */
  bias: flag,
};
export type LayerNormParams = ValuesOf<typeof params>;

/** out = (x − mean)·rsqrt(variance + epsilon)·scale + bias over rows of `c` channels. */
export const layerNorm = defineFamily({
  params,
  forms: {
    wat: { "layer-norm": watRows<LayerNormParams>() },
    wgsl: { row: wgslRow<LayerNormParams>(), subgroup: wgslSubgroupRow<LayerNormParams>(true) },
    cuda: { row: cudaSharedRows<LayerNormParams>() },
  },
  args: ({ c, scale, bias }) =>
    present([
      rowArg("x", "f32", c),
      scale && wholeArg("scale", "f32", c),
      bias && wholeArg("bias", "f32", c),
      rowArg("out", "f32", c, "write"),
    ]),
  // mean 1, variance 3, normalize 2, weight and bias 2
  operations: perResult(8),
});
