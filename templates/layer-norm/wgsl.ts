import { layerNormForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const layerNormWgsl = kernelTemplates(layerNormForms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: {
    row: ({ c, epsilon, scale, bias }, { threads }) => ({ c, epsilon, scaled: scale, biased: bias, threads }),
  },
});
