import { chmod, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { writeFileAtomic } from "../atomic-file.js";
import { makeFolder } from "../make-folder.js";
import type { EmittedFile } from "./emitted.js";

/**
 * Writes files for a scheduler into a folder that is new, empty, or has the same already; what jobs wrote beside them stays.
 * Throws TRITC_E_OUT_EXISTS, and what the operating system reports.
 */
export async function writeEmitted(folder: string, files: readonly EmittedFile[]): Promise<void> {
  await makeFolder(folder);
  const there = new Set(await readdir(folder));
  const [stranger] = files.some(({ name }) => there.has(name)) ? [] : there;
  if (stranger !== undefined) throw occupied(folder, `a folder with ${stranger} in it`);
  const missing = files.filter(({ name }) => !there.has(name));
  for (const { name, text, isTheirs } of files) {
    if (!there.has(name) || isTheirs === true) continue;
    const path = join(folder, name);
    if ((await readFile(path, "utf8")) !== text) throw occupied(path, "another file");
  }
  for (const { name, text, isProgram } of missing) {
    const path = join(folder, name);
    await writeFileAtomic(path, (file) => file.writeFile(text));
    if (isProgram === true) await chmod(path, 0o755);
  }
}

function occupied(place: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "something is at the output path that is not overwritten",
    place,
    expected: "a new path, an empty folder, or what the same command wrote",
    found,
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
