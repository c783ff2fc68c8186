import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { filterSize, imageConv } from "../../ir/families/image-conv.js";
import { floatCounts } from "../cuda/float-counts.js";
import { tf32Config } from "../dense-gemm/tf32-config.js";
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
    tiled(params, config, launched) {
      const { n, c, residual } = params;
      const k = filterSize(params);
      // Windows overlap: a picture comes from memory once, and from L2 as often as there are taps.
      const product = {
        ...{ rows: launched.rows, n, rowBytes: 4 * k, channelBytes: 4 * k },
        resultBytes: residual ? 8 : 4,
      };
      const counts = floatCounts(product, k, config, launched);
      const { l2, memory } = counts.bytes;
      return {
        ...counts,
        bytes: { l2, memory: Math.min(memory, 4 * (launched.rows * (c + 2 * n) + n * k)) },
      };
    },
  },
});
