import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { unpackDense } from "../../ir/families/unpack-dense.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watArgs } from "../wat/values.js";

export const unpackDenseWat = kernelTemplates(unpackDense.forms.wat, {
  configs: () => [{ variant: "unpack", channels: DENSE_PANEL.wat }],
  values: {
    unpack: ({ n, k, source }, { channels }, { signature }) => ({
      args: watArgs(signature),
      n,
      k,
      panel: channels,
      source,
      elementBytes: source === "f32" ? 4 : 2,
    }),
  },
});
