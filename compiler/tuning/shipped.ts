import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Language } from "../../ir/program/program.js";
import type { Target } from "../../targets/index.js";
import type { Measured } from "../../templates/index.js";
import { packageRoot } from "../package-root.js";
import { MOST_METADATA_BYTES, readRegularText } from "../regular-file.js";
import { type Finding, measuredBy, parseRecords, printRecords, type TuningRecord } from "./records.js";

/** Where the package has what was measured of kernels in a language. */
export const SHIPPED_FILES: Readonly<Record<Language, string>> = {
  wat: "targets/cpu/tuned.jsonl",
  wgsl: "targets/webgpu/tuned.jsonl",
  cuda: "targets/cuda/tuned.jsonl",
};
/** How many times more or fewer rows a record of the package may be of. */
const MOST_TIMES = 4;

/** The records of this version of the package for a target; none where nobody has measured. Throws TRITC_E_TUNING. */
export function shippedRecords(
  { language }: Pick<Target, "language">,
  root = packageRoot(),
): readonly TuningRecord[] {
  const file = fileURLToPath(new URL(SHIPPED_FILES[language], root));
  return existsSync(file) ? parseRecords(readRegularText(file, MOST_METADATA_BYTES), file) : [];
}

/** The configs that given records found best, and for what they do not have those of the package, for like numbers of rows. */
export function measuredWith(
  target: Pick<Target, "language">,
  given: readonly TuningRecord[] = [],
  root = packageRoot(),
): Measured | undefined {
  const own = measuredBy(given);
  const shipped = measuredBy(shippedRecords(target, root), MOST_TIMES);
  if (own === undefined || shipped === undefined) return own ?? shipped;
  return (problem) => own(problem) ?? shipped(problem);
}

/** Records as the package has them: of each kernel whose config changed, what was chosen. Of the same the last counts. */
export function printShipped(records: readonly TuningRecord[]): string {
  const winners = new Map<string, Finding>();
  for (const entry of records) {
    if (entry.kind !== "chosen") continue;
    const key = [entry.deviceKind, entry.kernel, entry.rows.join(",")].join("\n");
    if (entry.after < entry.before) winners.set(key, entry);
    else winners.delete(key);
  }
  return printRecords([...winners.values()]);
}
