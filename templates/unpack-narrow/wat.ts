import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { narrowValues, unpackNarrow } from "../../ir/families/unpack-narrow.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watArgs } from "../wat/values.js";

export const unpackNarrowWat = kernelTemplates(unpackNarrow.forms.wat, {
  configs: () => [{ variant: "unpack", channels: DENSE_PANEL.wat }],
  values: {
    unpack: (params, { channels }, { signature }) => ({
      args: watArgs(signature),
      ...narrowValues(params),
      panel: channels,
      columns: roundUp(params.n, channels),
    }),
  },
});
