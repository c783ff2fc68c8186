import { matmul } from "../../ir/families/matmul.js";
import { kernelTemplates } from "../kernel-templates.js";

export const matmulCuda = kernelTemplates(matmul.forms.cuda, {
  configs: () => [{ variant: "tiled", tile: 64, stage: 16 }],
  values: { tiled: (_, { tile, stage }) => ({ tile, stage }) },
});
