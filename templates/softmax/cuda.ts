import { softmaxForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const softmaxCuda = kernelTemplates(softmaxForms.cuda, {
  configs: () => [{ variant: "row", threads: 256, blocks: 4 }],
  values: { row: ({ log }, { blocks }) => ({ log, blocks }) },
});
