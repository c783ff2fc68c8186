import { channelMoments } from "../../ir/families/channel-moments.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
import { scalarOffset, watArgs } from "../wat/values.js";

export const channelMomentsWat = kernelTemplates(channelMoments.forms.wat, {
  configs: () => [{ variant: "moments", channels: 16, rows: 64 }],
  values: {
    moments: ({ c, parts }, { channels, rows }, { signature }) => ({
      args: watArgs(signature),
      count: scalarOffset(signature),
      c,
      parts,
      channels,
      rows,
      tilesC: Math.ceil(c / channels),
    }),
  },
  cost: {
    moments: watStreams(
      channelMoments, // In f64.
      () => ({ more: 14 }),
    ),
  },
});
