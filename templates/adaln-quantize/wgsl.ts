import { adalnQuantize } from "../../ir/families/adaln-quantize.js";
import { paddedK } from "../../ir/families/contract/arguments.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnQuantizeWgsl = kernelTemplates(adalnQuantize.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, words: paddedK(c) / 4, threads }) },
});
