import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { imageConv } from "../../ir/families/image-conv.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs } from "../wat/values.js";

const PANEL = DENSE_PANEL.wat;
const STORED: ReadonlySet<string> = new Set(["bias", "residual", "out"]);

export const imageConvWat = kernelTemplates(imageConv.forms.wat, {
  configs: ({ params: { n } }) => [
    { variant: "direct", tileN: Math.min(roundUp(n, PANEL), 64), tileM: 32, rows: 4, unroll: 4 },
  ],
  values: {
    direct: (params, { tileN, tileM, rows, unroll }, { signature, launch }) => ({
      args: watArgs(signature, (name) => !STORED.has(name)),
      storeArgs: watArgs(signature, (name) => STORED.has(name)),
      sizes: scalarOffset(signature),
      ...params,
      tileN,
      tileM,
      tilesN: Math.ceil(params.n / tileN),
      blockN: PANEL,
      vectors: PANEL / 4,
      rowGroups: [rows, 1],
      unroll,
      cWhole: params.c - (params.c % unroll),
      relaxed: false,
      zeroBytes: launch.sharedBytes,
    }),
  },
});
