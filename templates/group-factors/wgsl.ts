import { groupFactors } from "../../ir/families/group-factors.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { groupFactorValues } from "./values.js";

export const groupFactorsWgsl = kernelTemplates(groupFactors.forms.wgsl, {
  configs: () => [{ variant: "group", threads: 64 }],
  values: {
    group: groupFactorValues,
  },
  cost: {
    group: wgslStreams(groupFactors, () => ({ folds: 2, special: 0.1 })),
  },
});
