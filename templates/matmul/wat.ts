import { matmulForms } from "../../ir/families/launch/general.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs } from "../wat/values.js";

export const matmulWat = kernelTemplates(matmulForms.wat, {
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
