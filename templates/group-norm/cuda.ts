import { groupNorm } from "../../ir/families/group-norm.js";
import { kernelTemplates } from "../kernel-templates.js";

export const groupNormCuda = kernelTemplates(groupNorm.forms.cuda, {
  configs: () => [{ variant: "rows", threads: 256, rows: 8 }],
  values: {
    rows: ({ c, activation }, { rows }) => ({ c, rows, activation: `activate_${activation}` }),
  },
});
