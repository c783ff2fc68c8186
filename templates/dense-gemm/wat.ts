import { roundUp } from "../../ir/families/contract/arguments.js";
import { DENSE_PANEL } from "../../ir/families/contract/weights.js";
import { denseGemm } from "../../ir/families/dense-gemm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { gemmValues } from "../wat/epilogue.js";

const PANEL = DENSE_PANEL.wat;

export const denseGemmWat = kernelTemplates(denseGemm.forms.wat, {
  configs: ({ params: { n } }) => [
    { variant: "float", tileN: Math.min(roundUp(n, PANEL), 64), tileM: 32, rows: 4, unroll: 4 },
  ],
  values: {
    float: (params, { tileN, tileM, rows, unroll }, { signature }) => ({
      ...gemmValues(signature, params),
      k: params.k,
      kWhole: params.k - (params.k % unroll),
      unroll,
      relaxed: false,
      tileN,
      tileM,
      tilesN: Math.ceil(params.n / tileN),
      blockN: PANEL,
      vectors: PANEL / 4,
      rowGroups: [rows, 1],
    }),
  },
});
