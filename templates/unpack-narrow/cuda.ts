import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { narrowValues, unpackNarrow } from "../../ir/families/unpack-narrow.js";
import { kernelTemplates } from "../kernel-templates.js";

export const unpackNarrowCuda = kernelTemplates(unpackNarrow.forms.cuda, {
  configs: () => [{ variant: "words", threads: 64 }],
  values: { words: (params) => ({ ...narrowValues(params), panel: DENSE_PANEL.cuda }) },
});
