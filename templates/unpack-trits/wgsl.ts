import { TERNARY_BLOCKS } from "../../ir/families/contract/weights.js";
import { storedValues, unpackTrits } from "../../ir/families/unpack-trits.js";
import { kernelTemplates } from "../kernel-templates.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

export const unpackTritsWgsl = kernelTemplates(unpackTrits.forms.wgsl, {
  configs: () => [{ variant: "words", threads: 64 }],
  values: {
    words: (params, { threads }) => ({
      n: params.n,
      k: params.k,
      kGroups: Math.ceil(params.k / TERNARY_BLOCKS.wgsl.i8.k),
      nPad: paddedColumns(params.n),
      ...storedValues(params),
      threads,
    }),
  },
});
