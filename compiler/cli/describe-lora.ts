import { someOf } from "../diffusers/errors.js";
import type { LoraReport } from "../lora/plan.js";
import { formatQuantity } from "../units.js";

/** What became of an adapter in one line, with the first of the tensors that were left out; `--json` has all. */
export function describeLora({ file, scale, merged, leftOut }: LoraReport): string {
  const done = `${file} at ${scale}: ${formatQuantity(merged, "update")} merged`;
  if (leftOut.length === 0) return done;
  return `${done}, ${formatQuantity(leftOut.length, "tensor")} left out: ${someOf(leftOut)}`;
}
