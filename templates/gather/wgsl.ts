import { gatherForms } from "../../ir/families/launch/rows.js";
import { kernelTemplates } from "../kernel-templates.js";

export const gatherWgsl = kernelTemplates(gatherForms.wgsl, {
  configs: () => [{ variant: "rows", threads: 64 }],
  values: { rows: ({ c }, { threads }) => ({ c, threads }) },
});
