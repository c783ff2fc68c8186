import { attention, hasTerms, sharedHeads, watAttentionScratch } from "../../ir/families/attention.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs, watFloat } from "../wat/values.js";
import { termValues } from "./terms.js";

export const attentionWat = kernelTemplates(attention.forms.wat, {
  configs: () => [{ variant: "attention", queries: 16, keys: 64 }],
  values: {
    attention: (params, config, { signature }) => ({
      args: watArgs(signature),
      keys: scalarOffset(signature),
      heads: params.heads,
      headDim: params.headDim,
      scale: watFloat(Math.fround(params.scale)),
      tileQ: config.queries,
      keyBlock: config.keys,
      ...watAttentionScratch(config),
      chunks: Math.floor(params.headDim / 8),
      ...termValues(params),
      loss: watFloat(Math.fround(params.maskLoss ?? 0)),
      lowest: hasTerms(params) ? "-1e30" : "-inf",
      kvHead: sharedHeads(params) === undefined ? "$head" : "$kvHead",
    }),
  },
});
