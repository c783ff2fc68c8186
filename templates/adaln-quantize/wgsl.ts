import { adalnQuantize } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const adalnQuantizeWgsl = kernelTemplates(adalnQuantize.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, words: paddedK(c) / 4, threads }) },
  cost: {
    row: wgslStreams(
      adalnQuantize, // The result is computed for its maximum and again for its codes.
      () => ({ passes: 4, vectors: 2, folds: 4, more: 8 }),
    ),
  },
});
