import { adaln } from "../../ir/families/adaln.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const adalnWgsl = kernelTemplates(adaln.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, threads }) },
  cost: {
    row: wgslStreams(adaln, () => ({ passes: 3, vectors: 1, folds: 2 })),
  },
});
