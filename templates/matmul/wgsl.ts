import { matmulForms } from "../../ir/families/launch/general.js";
import { kernelTemplates } from "../kernel-templates.js";

export const matmulWgsl = kernelTemplates(matmulForms.wgsl, {
  configs: () => [{ variant: "tiled" }],
  values: { tiled: () => ({}) },
});
