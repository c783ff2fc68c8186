import { matmul } from "../../ir/families/matmul.js";
import { kernelTemplates } from "../kernel-templates.js";

export const matmulWgsl = kernelTemplates(matmul.forms.wgsl, {
  configs: () => [{ variant: "tiled" }],
  values: { tiled: () => ({}) },
});
