import { paddedK } from "../../ir/families/contract/arguments.js";
import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import { storedValues, unpackTrits } from "../../ir/families/unpack-trits.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watArgs } from "../wat/values.js";

export const unpackTritsWat = kernelTemplates(unpackTrits.forms.wat, {
  configs: ({ params }) => [
    {
      variant: "unpack",
      channels: TERNARY_BLOCKS.wat[params.activations === "i8" ? "i8" : "float"].channels,
    },
  ],
  values: {
    unpack: (params, { channels }, { signature }) => ({
      args: watArgs(signature),
      n: params.n,
      k: params.k,
      ...storedValues(params),
      block: channels,
      blockBytes: (channels * paddedK(params.k)) / 4,
      int8: params.activations === "i8",
    }),
  },
});
