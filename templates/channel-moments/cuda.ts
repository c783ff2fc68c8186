import { channelMoments } from "../../ir/families/channel-moments.js";
import { cudaStreams } from "../cuda/streams.js";
import { kernelTemplates } from "../kernel-templates.js";

export const channelMomentsCuda = kernelTemplates(channelMoments.forms.cuda, {
  configs: () => [{ variant: "strip", channels: 32, rows: 8 }],
  values: { strip: ({ c, parts }, { channels, rows }) => ({ c, parts, channels, rows }) },
  keepsOrder: true,
  cost: {
    strip: cudaStreams(channelMoments, () => ({ folds: 1, special: 0.2, access: 32, more: 3 })),
  },
});
