import { adalnQuantize } from "../../ir/families/adaln-quantize.js";
import { kernelTemplates } from "../kernel-templates.js";
import { quantizeValues } from "../quantize-rows/wat.js";
import { rowTile } from "../wat/rows.js";
import { CALL, watStreams } from "../wat/streams.js";
import { watArgs, watFloat } from "../wat/values.js";

export const adalnQuantizeWat = kernelTemplates(adalnQuantize.forms.wat, {
  configs: ({ params }) => [{ variant: "adaln-quantize", rows: rowTile(params.c) }],
  values: {
    "adaln-quantize": ({ c, epsilon }, { rows }, { signature }) => ({
      args: watArgs(signature),
      ...quantizeValues(c),
      epsilon: watFloat(epsilon),
      tileM: rows,
    }),
  },
  cost: {
    "adaln-quantize": watStreams(
      adalnQuantize, // The result goes through scratch memory, where it is read twice.
      () => ({ passes: 5, vectors: 1, folds: 3, more: 2 * CALL + 8 }),
    ),
  },
});
