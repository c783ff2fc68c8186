import { storedValues, unpackTrits } from "../../ir/families/unpack-trits.js";
import { kernelTemplates } from "../kernel-templates.js";

export const unpackTritsCuda = kernelTemplates(unpackTrits.forms.cuda, {
  configs: () => [{ variant: "fragments", channels: 16 }],
  values: {
    fragments(params) {
      const stored = storedValues(params);
      const { n, k, activations } = params;
      return { n, k, ...stored, zeros: zeroByte(stored), pairs: activations === "bf16" };
    },
  },
});

/** The stored byte of codes u = 1: Σ baseⁱ. */
function zeroByte({ base, perByte }: ReturnType<typeof storedValues>): number {
  return (base ** perByte - 1) / (base - 1);
}
