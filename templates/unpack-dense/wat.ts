import { DENSE_PANEL } from "../../ir/families/contract/blocks.js";
import { unpackDenseForms } from "../../ir/families/launch/unpack.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watArgs } from "../wat/values.js";

export const unpackDenseWat = kernelTemplates(unpackDenseForms.wat, {
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
