import { softmax } from "../../ir/families/softmax.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs } from "../wat/values.js";

export const softmaxWat = kernelTemplates(softmax.forms.wat, {
  configs: () => [{ variant: "softmax", rows: 8 }],
  values: {
    softmax: ({ log }, { rows }, { signature }) => ({
      args: watArgs(signature),
      length: scalarOffset(signature),
      log,
      tileM: rows,
    }),
  },
});
