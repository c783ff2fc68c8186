import { narrowParts, narrowValues, unpackNarrow } from "../../ir/families/unpack-narrow.js";
import { kernelTemplates } from "../kernel-templates.js";
import { blockFunctions } from "../wgsl/blocks.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

export const unpackNarrowWgsl = kernelTemplates(unpackNarrow.forms.wgsl, {
  configs: () => [{ variant: "words", threads: 64 }],
  values: {
    words(params, { threads }) {
      const { k: _, ...values } = narrowValues(params);
      return {
        ...values,
        functions: blockFunctions("source", params.held),
        parts: narrowParts(params),
        nPad: paddedColumns(params.n),
        threads,
      };
    },
  },
});
