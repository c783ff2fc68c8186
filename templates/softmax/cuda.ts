import { softmax } from "../../ir/families/softmax.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const softmaxCuda = kernelTemplates(softmax.forms.cuda, {
  configs: () => [{ variant: "row", threads: 256, blocks: 4 }],
  values: { row: ({ log }, { blocks }) => ({ log, blocks }) },
  keepsOrder: true,
  cost: {
    row: cudaStreams(softmax, ({ log }) => ({ passes: 2, folds: 2, special: log ? 2 : 3 })),
  },
});
