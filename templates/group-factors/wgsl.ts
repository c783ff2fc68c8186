import { groupFactors } from "../../ir/families/group-factors.js";
import { kernelTemplates } from "../kernel-templates.js";

export const groupFactorsWgsl = kernelTemplates(groupFactors.forms.wgsl, {
  configs: () => [{ variant: "group", threads: 64 }],
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
