import { someOf } from "../diffusers/errors.js";
import type { LoraReport } from "../lora/plan.js";
import { formatCount } from "./terminal.js";

/** What became of an adapter in one line, with the first of the tensors that were left out; `--json` has all. */
export function describeLora({ file, scale, merged, leftOut }: LoraReport): string {
  const done = `${file} at ${scale}: ${formatCount(merged)} updates merged`;
  if (leftOut.length === 0) return done;
  return `${done}, ${formatCount(leftOut.length)} tensors left out: ${someOf(leftOut)}`;
}
