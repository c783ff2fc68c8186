import { matmul } from "../../ir/families/matmul.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs } from "../wat/values.js";

export const matmulWat = kernelTemplates(matmul.forms.wat, {
  configs: () => [{ variant: "matmul", tileN: 32, tileM: 8 }],
  values: {
    matmul: (_, { tileN, tileM }, { signature }) => ({
      args: watArgs(signature),
      sizes: scalarOffset(signature),
      tileN,
      tileM,
    }),
  },
});
