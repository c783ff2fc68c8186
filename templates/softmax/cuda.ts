import { softmax } from "../../ir/families/softmax.js";
import { kernelTemplates } from "../kernel-templates.js";

export const softmaxCuda = kernelTemplates(softmax.forms.cuda, {
  configs: () => [{ variant: "row", threads: 256, blocks: 4 }],
  values: { row: ({ log }, { blocks }) => ({ log, blocks }) },
});
