import { groupFactors } from "../../ir/families/group-factors.js";
import { kernelTemplates } from "../kernel-templates.js";
import { watStreams } from "../wat/streams.js";
import { scalarOffset, watArgs, watFloat } from "../wat/values.js";

export const groupFactorsWat = kernelTemplates(groupFactors.forms.wat, {
  configs: () => [{ variant: "factors" }],
  values: {
    factors: ({ groups, channels, parts, epsilon }, _, { signature }) => ({
      args: watArgs(signature),
      count: scalarOffset(signature),
      c: groups * channels,
      channels,
      parts,
      epsilon: watFloat(epsilon),
    }),
  },
  cost: {
    factors: watStreams(
      groupFactors, // In f64.
      () => ({ more: 14 }),
    ),
  },
});
