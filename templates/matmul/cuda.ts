import { matmul } from "../../ir/families/matmul.js";
import { kernelTemplates } from "../kernel-templates.js";

export const matmulCuda = kernelTemplates(matmul.forms.cuda, {
  configs: () => [{ variant: "tiled" }],
  values: { tiled: () => ({}) },
});
