import { groupFactors } from "../../ir/families/group-factors.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";
import { groupFactorValues } from "./values.js";

export const groupFactorsCuda = kernelTemplates(groupFactors.forms.cuda, {
  configs: () => [{ variant: "group", threads: 256 }],
  values: {
    group: groupFactorValues,
  },
  keepsOrder: true,
  cost: {
    group: cudaStreams(groupFactors, () => ({ folds: 2, more: 6 })),
  },
});
