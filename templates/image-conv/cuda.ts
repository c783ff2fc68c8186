import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { filterSize, type ImageConvParams, imageConv } from "../../ir/families/image-conv.js";
import type { Counts, Launched } from "../choice/cost.js";
import { floatCounts } from "../cuda/float-counts.js";
import { tf32Counts } from "../cuda/tf32-counts.js";
import { takesTf32, tf32Config } from "../dense-gemm/tf32-config.js";
import { kernelTemplates } from "../kernel-templates.js";

const tiled = { variant: "tiled", threadsX: 16, threadsY: 8, stage: 16 } as const;
/** As those of dense-gemm. */
const WIDE = { ...tiled, groupsM: 2, groupsN: 2, blocks: 3 } as const;
const NARROW = { ...tiled, groupsM: 1, groupsN: 1, blocks: 8 } as const;

export const imageConvCuda = kernelTemplates(imageConv.forms.cuda, {
  configs({ params: { n, products }, rows: [most = Infinity] }) {
    const plain = n <= DENSE_PANEL.cuda ? NARROW : WIDE;
    return products === undefined ? [plain] : [tf32Config(n, most), plain];
  },
  values: {
    tf32: ({ products: _, ...params }, { warpsN, groupsM, groupsN, stage, blocks }) => ({
      ...params,
      ...{ warpsN, groupsM, groupsN, stage, blocks },
    }),
    tiled: ({ products: _, ...params }, { threadsX, groupsM, groupsN, stage, blocks }) => ({
      ...params,
      threadsX,
      groupsM,
      groupsN,
      stage,
      blocks,
    }),
  },
  cost: {
    tf32: (params, config, launched) =>
      once(params, launched, tf32Counts(productOf(params, launched), filterSize(params), config, launched)),
    tiled: (params, config, launched) =>
      takesTf32(params, launched.device)
        ? null
        : once(
            params,
            launched,
            floatCounts(productOf(params, launched), filterSize(params), config, launched),
          ),
  },
});

/** Bytes of windows, filters and results. */
function productOf(params: ImageConvParams, { rows }: Launched) {
  const bytes = 4 * filterSize(params);
  return { rows, n: params.n, rowBytes: bytes, channelBytes: bytes, resultBytes: params.residual ? 8 : 4 };
}

/** Windows overlap: a picture comes from memory once, and from L2 as often as there are taps. */
function once(params: ImageConvParams, { rows }: Launched, counts: Counts): Counts {
  const { l2, memory } = counts.bytes;
  const { n, c } = params;
  return {
    ...counts,
    bytes: { l2, memory: Math.min(memory, 4 * (rows * (c + 2 * n) + n * filterSize(params))) },
  };
}
