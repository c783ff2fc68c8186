import { someOf } from "../checkpoint/errors.js";
import type { LoraReport } from "../lora/merge-plan.js";
import { formatCount, formatQuantity } from "../units.js";

/** What became of an adapter in one line, with the first of the tensors that were left out; `--json` has all. */
export function describeLora({ file, scale, merged, forms, settings, leftOut, absent }: LoraReport): string {
  const kinds = Object.entries(forms).map(([form, count]) => `${formatCount(count)} ${form}`);
  const parts = [`${file} at ${scale}: ${formatQuantity(merged, "module")} merged (${kinds.join(", ")})`];
  if (settings !== null) parts.push(`with ${settings}`);
  const tensors = (names: readonly string[], whose: string) => {
    if (names.length > 0)
      parts.push(`left out ${formatQuantity(names.length, "tensor")} ${whose}: ${someOf(names)}`);
  };
  tensors(leftOut, "of other networks");
  tensors(absent, "for parts that this model does not have");
  return parts.join("; ");
}
