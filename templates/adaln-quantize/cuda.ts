import { paddedK } from "../../ir/families/contract/arguments.js";
import { adalnQuantizeForms } from "../../ir/families/launch/rows.js";
import { modulationPlan } from "../cuda/row-plan.js";
import { kernelTemplates } from "../kernel-templates.js";

export const adalnQuantizeCuda = kernelTemplates(adalnQuantizeForms.cuda, {
  configs: ({ params, device }) => [{ variant: "row", ...modulationPlan(params.c, device) }],
  values: {
    row: ({ c, epsilon }, { group, held, blocks }) => ({
      c,
      padded: paddedK(c),
      epsilon,
      group,
      held,
      blocks,
    }),
  },
});
