import { groupNorm } from "../../ir/families/group-norm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { activationFunction } from "../wgsl/functions.js";
import { wgslStreams } from "../wgsl/streams.js";

export const groupNormWgsl = kernelTemplates(groupNorm.forms.wgsl, {
  configs: () => [{ variant: "rows", threads: 256, rows: 8 }],
  values: {
    rows: ({ c, activation }, { threads, rows }) => ({
      c,
      threads,
      rows,
      activate: activationFunction(activation),
    }),
  },
  cost: {
    rows: wgslStreams(
      groupNorm, // Rows and channels of elements are quotients.
      ({ activation }) => ({ vectors: 1, special: activation === "silu" ? 2 : 0, more: 20 }),
    ),
  },
});
