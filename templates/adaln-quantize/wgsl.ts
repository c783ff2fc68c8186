import { paddedK } from "../../ir/families/contract/arguments.js";
import { adalnQuantizeForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnQuantizeWgsl = kernelTemplates(adalnQuantizeForms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, words: paddedK(c) / 4, threads }) },
});
