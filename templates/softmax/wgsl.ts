import { softmax } from "../../ir/families/softmax.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const softmaxWgsl = kernelTemplates(softmax.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ log }, { threads }) => ({ log, threads }) },
  cost: {
    row: wgslStreams(softmax, ({ log }) => ({ passes: 3, folds: 2, special: log ? 1 : 2 })),
  },
});
