import { groupNorm } from "../../ir/families/group-norm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rowTile } from "../wat/rows.js";
import { CALL, EXPONENTIAL, watStreams } from "../wat/streams.js";
import { watArgs } from "../wat/values.js";

export const groupNormWat = kernelTemplates(groupNorm.forms.wat, {
  configs: ({ params }) => [{ variant: "group-norm", rows: rowTile(params.c) }],
  values: {
    "group-norm": ({ c, activation }, { rows }, { signature }) => ({
      args: watArgs(signature),
      c,
      tail: c % 4,
      silu: activation === "silu",
      tileM: rows,
    }),
  },
  cost: {
    "group-norm": watStreams(groupNorm, ({ activation }) =>
      activation === "silu" ? { vectors: 1, special: 1, more: EXPONENTIAL + 2 * CALL } : { vectors: 1 },
    ),
  },
});
