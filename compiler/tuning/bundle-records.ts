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

/** The records that a bundle has. Throws TRITC_E_TUNING. */
export async function bundleRecords(bundle: BundleWithRecords): Promise<readonly TuningRecord[]> {
  if (!bundle.has(TUNING_FILE)) return [];
  const text = new TextDecoder().decode(await bundle.readFile(TUNING_FILE));
  return parseRecords(text, `${bundle.folder}/${TUNING_FILE}`);
}

/** Whether a bundle's kernels were chosen by measuring on a device of this description. */
export async function isTunedFor(bundle: BundleWithRecords, description: string): Promise<boolean> {
  const key = deviceKey(targetByName(bundle.program.target), description);
  return (await bundleRecords(bundle)).some(({ kind, device }) => kind === "chosen" && device === key);
}
