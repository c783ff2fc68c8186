import { TERNARY_BLOCKS } from "../../ir/families/contract/blocks.js";
import { unpackTritsForms } from "../../ir/families/launch/unpack.js";
import { storedValues } from "../../ir/families/unpack-trits.js";
import { kernelTemplates } from "../kernel-templates.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

export const unpackTritsWgsl = kernelTemplates(unpackTritsForms.wgsl, {
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
