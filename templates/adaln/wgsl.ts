import { adalnForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnWgsl = kernelTemplates(adalnForms.wgsl, {
  configs: () => [{ variant: "row", threads: 64 }],
  values: { row: ({ c, epsilon }, { threads }) => ({ c, epsilon, threads }) },
});
