import { adaln } from "../../ir/families/adaln.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnWgsl = kernelTemplates(adaln.forms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, threads }) },
});
