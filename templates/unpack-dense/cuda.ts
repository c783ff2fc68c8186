import { DENSE_PANEL } from "../../ir/families/contract/blocks.js";
import { unpackDenseForms } from "../../ir/families/launch/unpack.js";
import { kernelTemplates } from "../kernel-templates.js";

export const unpackDenseCuda = kernelTemplates(unpackDenseForms.cuda, {
  configs: () => [{ variant: "panels", threads: 256, columns: 16 }],
  values: {
    panels: ({ n, k, source }, { columns }) => ({
      columns,
      panel: DENSE_PANEL.cuda,
      n,
      k,
      bytes: source === "f32" ? 4 : 2,
      brain: source === "bf16",
    }),
  },
});
