import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL, WINOGRAD } from "../../ir/families/contract/weights.js";
import { imageConv, winogradScratch } from "../../ir/families/image-conv.js";
import { kernelTemplates } from "../kernel-templates.js";
import { scalarOffset, watArgs } from "../wat/values.js";

const PANEL = DENSE_PANEL.wat;
const STORED: ReadonlySet<string> = new Set(["bias", "residual", "out"]);

export const imageConvWat = kernelTemplates(imageConv.forms.wat, {
  configs: ({ params: { n } }) => [
    { variant: "winograd", tileN: WINOGRAD.columns, tileM: 256 },
    { variant: "direct", tileN: Math.min(roundUp(n, PANEL), 64), tileM: 32, rows: 4 },
  ],
  values: {
    winograd({ n, c, top, left, upsample, bias, residual }, { tileN, tileM }, { signature }) {
      const squares = tileM / 16;
      const { bytes: _, ...scratch } = winogradScratch({ c, tiles: squares });
      /** Byte offset of an argument's address among the launch words; its row stride follows. */
      const words = (name: string) => 4 + 8 * signature.args.findIndex((arg) => arg.name === name);
      return {
        args: watArgs(signature, (name) => !STORED.has(name)),
        biasAddress: words("bias"),
        residualAddress: words("residual"),
        residualStride: words("residual") + 4,
        outAddress: words("out"),
        outStride: words("out") + 4,
        sizes: scalarOffset(signature),
        ...{ n, c, top, left, upsample, bias, residual, tileN, tileM, squares },
        tilesN: Math.ceil(n / tileN),
        panel: PANEL,
        panels: Math.ceil(n / PANEL),
        blockPanels: tileN / PANEL,
        blockChannels: WINOGRAD.channels,
        products: WINOGRAD.products,
        ...scratch,
      };
    },
    direct: (params, { tileN, tileM, rows }, { signature, launch }) => ({
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
      relaxed: false,
      zeroBytes: launch.sharedBytes,
    }),
  },
});
