import { DENSE_PANEL, WINOGRAD } from "../../ir/families/contract/weights.js";
import { unpackDense } from "../../ir/families/unpack-dense.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watArgs } from "../wat/values.js";

export const unpackDenseWat = kernelTemplates(unpackDense.forms.wat, {
  configs: () => [
    { variant: "unpack", channels: DENSE_PANEL.wat },
    { variant: "winograd", channels: DENSE_PANEL.wat },
  ],
  values: {
    winograd: ({ n, k, source }, { channels }, { signature }) => ({
      args: watArgs(signature),
      n,
      c: k / WINOGRAD.taps,
      panel: channels,
      panels: Math.ceil(n / channels),
      blockPanels: WINOGRAD.columns / channels,
      blockChannels: WINOGRAD.channels,
      products: WINOGRAD.products,
      source,
      elementBytes: source === "f32" ? 4 : 2,
    }),
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
