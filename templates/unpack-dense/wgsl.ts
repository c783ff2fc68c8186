import { unpackDense } from "../../ir/families/unpack-dense.js";
import { kernelTemplates } from "../kernel-templates.js";
import { paddedColumns } from "../wgsl/gemm-tile.js";

export const unpackDenseWgsl = kernelTemplates(unpackDense.forms.wgsl, {
  configs: () => [{ variant: "vectors", threads: 64 }],
  values: {
    vectors: ({ n, k, source }, { threads }) => ({
      n,
      k,
      nPad: paddedColumns(n),
      wide: source === "f32",
      brain: source === "bf16",
      threads,
    }),
  },
});
