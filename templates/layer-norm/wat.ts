import { layerNorm } from "../../ir/families/layer-norm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rowTile } from "../wat/rows.js";
import { watStreams } from "../wat/streams.js";
import { watArgs, watFloat } from "../wat/values.js";

export const layerNormWat = kernelTemplates(layerNorm.forms.wat, {
  configs: ({ params }) => [{ variant: "layer-norm", rows: rowTile(params.c) }],
  values: {
    "layer-norm": ({ c, epsilon, scale, bias }, { rows }, { signature }) => ({
      args: watArgs(signature),
      c,
      tail: c % 4,
      epsilon: watFloat(epsilon),
      scale,
      bias,
      tileM: rows,
    }),
  },
  cost: {
    "layer-norm": watStreams(layerNorm, () => ({ passes: 3, vectors: 1, folds: 2 })),
  },
});
