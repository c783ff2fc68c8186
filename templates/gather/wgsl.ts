import { gather } from "../../ir/families/gather.js";
import { kernelTemplates } from "../kernel-templates.js";

export const gatherWgsl = kernelTemplates(gather.forms.wgsl, {
  configs: () => [{ variant: "rows", threads: 64 }],
  values: { rows: ({ c }, { threads }) => ({ c, threads }) },
});
