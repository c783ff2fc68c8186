import { softmax } from "../../ir/families/softmax.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
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
  cost: {
    softmax: watStreams(
      softmax, // One element at a time, in f64 from the exponential on.
      () => ({ passes: 3, folds: 1, special: 4, more: 600 }),
    ),
  },
});
