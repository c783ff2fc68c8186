import { groupFactors } from "../../ir/families/group-factors.js";
import { kernelTemplates } from "../kernel-templates.js";

export const groupFactorsCuda = kernelTemplates(groupFactors.forms.cuda, {
  configs: () => [{ variant: "group", threads: 256 }],
  values: {
    group: ({ groups, channels, parts, epsilon }, { threads }) => ({
      c: groups * channels,
      channels,
      parts,
      epsilon,
      threads,
    }),
  },
});
