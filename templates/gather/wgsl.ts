import { gather } from "../../ir/families/gather.js";
import { kernelTemplates } from "../kernel-templates.js";
import { blockFunctions } from "../wgsl/blocks.js";
import { wgslStreams } from "../wgsl/streams.js";

export const gatherWgsl = kernelTemplates(gather.forms.wgsl, {
  configs: () => [{ variant: "rows", threads: 64 }],
  values: {
    rows: ({ c, held }, { threads }) => ({
      c,
      threads,
      held: held ?? "f32",
      functions: held === undefined ? "" : blockFunctions("table", held),
    }),
  },
  cost: {
    rows: wgslStreams(gather, ({ held }) => ({
      table: "table",
      more: held === undefined ? 0 : held === "bf16" ? 4 : 12,
    })),
  },
});
