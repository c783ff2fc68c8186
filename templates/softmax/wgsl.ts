import { softmaxForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const softmaxWgsl = kernelTemplates(softmaxForms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ log }, { threads }) => ({ log, threads }) },
});
