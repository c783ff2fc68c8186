import { TritcError } from "../../ir/errors.js";
import type { Program } from "../../ir/program/program.js";
import { targetByName } from "../../targets/index.js";
import { deviceKey } from "./device-key.js";
import { parseRecords, TUNING_FILE, type TuningRecord } from "./records.js";

/** An opened bundle, as far as its records need it. */
export interface BundleWithRecords {
  readonly folder: string;
  readonly program: Pick<Program, "target">;
  has(path: string): boolean;
  readFile(path: string): Promise<Uint8Array>;
}

/**
 * The records that a bundle has; none where another version has made them in a form that this one does not know, which `onStrange` is told.
 * They say what is fast, and nothing that a bundle does depends on them.
 */
export async function bundleRecords(
  bundle: BundleWithRecords,
  onStrange: (fault: TritcError) => void = () => undefined,
): Promise<readonly TuningRecord[]> {
  if (!bundle.has(TUNING_FILE)) return [];
  const text = new TextDecoder().decode(await bundle.readFile(TUNING_FILE));
  try {
    return parseRecords(text, `${bundle.folder}/${TUNING_FILE}`);
  } catch (error) {
    if (!(error instanceof TritcError)) throw error;
    onStrange(error);
    return [];
  }
}

/** Whether a bundle's kernels were chosen by measuring on a device of this description. */
export async function isTunedFor(bundle: BundleWithRecords, description: string): Promise<boolean> {
  const key = deviceKey(targetByName(bundle.program.target), description);
  return (await bundleRecords(bundle)).some(({ kind, device }) => kind === "chosen" && device === key);
}
