import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { unpackDense } from "../../ir/families/unpack-dense.js";
import { kernelTemplates } from "../kernel-templates.js";

export const unpackDenseCuda = kernelTemplates(unpackDense.forms.cuda, {
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
