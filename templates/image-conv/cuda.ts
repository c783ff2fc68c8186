import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { imageConv } from "../../ir/families/image-conv.js";
import { kernelTemplates } from "../kernel-templates.js";

const tiled = { variant: "tiled", threadsX: 16, threadsY: 8, stage: 16 } as const;
/** As those of dense-gemm. */
const WIDE = { ...tiled, groupsM: 2, groupsN: 2, blocks: 3 } as const;
const NARROW = { ...tiled, groupsM: 1, groupsN: 1, blocks: 8 } as const;

export const imageConvCuda = kernelTemplates(imageConv.forms.cuda, {
  configs: ({ params: { n } }) => [n <= DENSE_PANEL.cuda ? NARROW : WIDE],
  values: {
    tiled: (params, { threadsX, groupsM, groupsN, stage, blocks }) => ({
      ...params,
      threadsX,
      groupsM,
      groupsN,
      stage,
      blocks,
    }),
  },
});
