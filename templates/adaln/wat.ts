import { adaln } from "../../ir/families/adaln.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rowTile } from "../wat/rows.js";
import { CALL, watStreams } from "../wat/streams.js";
import { watArgs, watFloat } from "../wat/values.js";

export const adalnWat = kernelTemplates(adaln.forms.wat, {
  configs: ({ params }) => [{ variant: "adaln", rows: rowTile(params.c) }],
  values: {
    adaln: ({ c, epsilon }, { rows }, { signature }) => ({
      args: watArgs(signature),
      c,
      tail: c % 4,
      epsilon: watFloat(epsilon),
      tileM: rows,
    }),
  },
  cost: {
    adaln: watStreams(adaln, () => ({ passes: 3, vectors: 1, folds: 2, more: CALL })),
  },
});
