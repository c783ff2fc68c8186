import { readFile, writeFile } from "node:fs/promises";
import { TritcError } from "../../ir/errors.js";
import type { WorkFolder } from "../bundle/work-folder.js";
import { parseRecords, printRecords, type TuningRecord } from "../tuning/records.js";

/**
 * What an unfinished run of the tuner has found, which `say` is told. A journal that was cut off in a line goes on behind the last whole
 * one. Throws TRITC_E_TUNING where it is another command's, which could go on with it, or another version's.
 */
export async function unfinished(
  { path, journal }: Pick<WorkFolder, "path" | "journal">,
  say: (text: string) => void,
): Promise<readonly TuningRecord[]> {
  let found: readonly TuningRecord[];
  try {
    const text = await readFile(journal, "utf8");
    found = parseRecords(text, journal);
    if (found.length > 0) say(`going on from the unfinished work in ${path}`);
    if (text !== printRecords(found)) await writeFile(journal, printRecords(found));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return [];
    if (code !== "TRITC_E_TUNING" && code !== "EISDIR") throw error;
    throw new TritcError({
      code: "TRITC_E_TUNING",
      message: "there is unfinished work of another command, or of another version of tritc",
      place: path,
      remedy: "let that command go on, such as `tritc compile`; or remove that folder",
      cause: error,
    });
  }
  return found;
}
