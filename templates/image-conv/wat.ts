import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL, WINOGRAD } from "../../ir/families/contract/weights.js";
import {
  filterSize,
  type ImageConvParams,
  imageConv,
  winogradScratch,
} from "../../ir/families/image-conv.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import { inRegisters, rereads, sumOf, times, watCounts, work } from "../wat/counts.js";
import { gemmCounts, storing } from "../wat/gemm-counts.js";
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
  cost: { winograd: winogradCounts, direct: directCounts },
});

function directCounts(
  params: ImageConvParams,
  { rows }: { readonly rows: number },
  launched: Launched,
): Counts {
  const { n, c, kernelY, kernelX, bias, residual } = params;
  const vectors = PANEL / 4;
  const block = (count: number) => {
    const step = work({ loads: vectors + count, f32: 2 * vectors * count, other: count + 2 });
    return sumOf([
      times(inRegisters(step, vectors * count + vectors + 2), filterSize(params)),
      // Where each row's pixel lies.
      times(work({ other: 20 * count }), kernelY * kernelX),
      storing(vectors * count, { activation: "none", bias, gated: residual }),
    ]);
  };
  return gemmCounts(
    {
      ...{ n, block, channels: PANEL, rowGroups: [rows, 1], columnsOutside: true },
      // A pixel is read by the windows around it.
      ...{ rowBytes: 4 * c, channelBytes: 4 * filterSize(params), resultBytes: 4 * n },
    },
    launched,
  );
}

/** Squares of 4 by 4 pixels become 36 products of channels with filters each, and these sums the pixels of the result. */
function winogradCounts(
  params: ImageConvParams,
  _: { readonly tileN: number; readonly tileM: number },
  { rows, launch, speed }: Launched,
): Counts {
  const { n, c } = params;
  const [tileN, tileM] = launch.tile;
  const squares = Math.ceil(rows / 16);
  const tileRows = Math.ceil(rows / tileM);
  const tileColumns = Math.ceil(n / tileN);
  // Four rows of a block of 8 columns, as in dense-gemm, for each of 36 products.
  const step = work({ loads: 2 + 4, f32: 16, other: 5 });
  const products = times(step, (WINOGRAD.products * c * (squares / 4) * tileColumns * tileN) / PANEL);
  // 12 rows and columns of six, by a few additions each; once for each tile of columns.
  const inputs = times(
    work({ loads: WINOGRAD.products, stores: WINOGRAD.products, f32: 200, other: 40 }),
    (squares * tileColumns * c) / 4,
  );
  const results = times(
    work({ loads: WINOGRAD.products, stores: 16, f32: 150, other: 60 }),
    (squares * n) / 4,
  );
  const filterBytes = WINOGRAD.products * c * 4;
  return watCounts(
    tileRows * tileColumns,
    sumOf([products, inputs, results]),
    [
      { l2: 0, memory: 4 * rows * (c * tileColumns + n) + n * filterBytes },
      rereads(n * filterBytes, Math.max(0, tileRows - 1), speed),
    ],
    speed,
  );
}
