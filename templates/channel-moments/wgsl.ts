import { channelMoments } from "../../ir/families/channel-moments.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";

export const channelMomentsWgsl = kernelTemplates(channelMoments.forms.wgsl, {
  configs: () => [{ variant: "strip", channels: 32, rows: 8 }],
  values: { strip: ({ c, parts }, { channels, rows }) => ({ c, parts, channels, rows }) },
  cost: {
    strip: wgslStreams(channelMoments, () => ({ folds: 1, special: 0.2 })),
  },
});
