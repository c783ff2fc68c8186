import { softmax } from "../../ir/families/softmax.js";
import { kernelTemplates } from "../kernel-templates.js";

export const softmaxWgsl = kernelTemplates(softmax.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ log }, { threads }) => ({ log, threads }) },
});
