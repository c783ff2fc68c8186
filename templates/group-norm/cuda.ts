import { groupNorm } from "../../ir/families/group-norm.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const groupNormCuda = kernelTemplates(groupNorm.forms.cuda, {
  configs: () => [{ variant: "rows", threads: 256, rows: 8 }],
  values: {
    rows: ({ c, activation }, { rows }) => ({ c, rows, activation: `activate_${activation}` }),
  },
  cost: {
    rows: cudaStreams(groupNorm, ({ activation }) => ({
      vectors: 1,
      special: activation === "silu" ? 2 : 0,
      more: 3,
    })),
  },
});
