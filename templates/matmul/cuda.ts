import { matmulForms } from "../../ir/families/launch/general.js";
import { kernelTemplates } from "../kernel-templates.js";

export const matmulCuda = kernelTemplates(matmulForms.cuda, {
  configs: () => [{ variant: "tiled" }],
  values: { tiled: () => ({}) },
});
