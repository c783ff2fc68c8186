import { attention, watAttentionScratch } from "../../ir/families/attention.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs, watFloat } from "../wat/values.js";

export const attentionWat = kernelTemplates(attention.forms.wat, {
  configs: () => [{ variant: "attention", queries: 16, keys: 64 }],
  values: {
    attention: ({ heads, headDim, scale }, config, { signature }) => ({
      args: watArgs(signature),
      keys: scalarOffset(signature),
      heads,
      headDim,
      scale: watFloat(Math.fround(scale)),
      tileQ: config.queries,
      keyBlock: config.keys,
      ...watAttentionScratch(config),
      chunks: Math.floor(headDim / 8),
    }),
  },
});
