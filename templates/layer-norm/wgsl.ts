import { layerNorm } from "../../ir/families/layer-norm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const layerNormWgsl = kernelTemplates(layerNorm.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: {
    row: ({ c, epsilon, scale, bias }, { threads }) => ({ c, epsilon, scaled: scale, biased: bias, threads }),
  },
  cost: {
    row: wgslStreams(layerNorm, () => ({ passes: 3, vectors: 1, folds: 2 })),
  },
});
