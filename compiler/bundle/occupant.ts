import { lstat, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { BUNDLE_FORMAT, MANIFEST_FILE } from "../../ir/format/manifest.js";
import { MOST_METADATA_BYTES, readRegularText } from "../regular-file.js";

export type Occupant = "nothing" | "empty" | "bundle";

/**
 * What is at the path where a bundle shall be. Throws TRITC_E_OUT_EXISTS for anything that a new bundle may not
 * replace: a file, a folder that is no bundle, a bundle with files of somebody else's in it.
 */
export async function whatIsThere(out: string): Promise<Occupant> {
  const info = await lookAt(out);
  if (info === undefined) {
    await checkAncestors(out);
    return "nothing";
  }
  if (!(await stat(out)).isDirectory()) throw refuse(out, "a file");
  const files = await filesBelow(out);
  if (files.length === 0) return "empty";
  if (!files.includes(MANIFEST_FILE)) throw refuse(out, `a folder with ${files[0]} in it`);
  const listed = await listedFiles(join(out, MANIFEST_FILE));
  if (listed === undefined) throw refuse(out, `a folder whose ${MANIFEST_FILE} is no bundle's`);
  const foreign = files.find((file) => file !== MANIFEST_FILE && !listed.has(file));
  if (foreign !== undefined) throw refuse(out, `a bundle, and in it ${foreign}, which is not part of it`);
  return "bundle";
}

async function lookAt(path: string) {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
}

/** A path below a file can never be made. */
async function checkAncestors(out: string): Promise<void> {
  for (let at = dirname(resolve(out)); ; at = dirname(at)) {
    const info = await lookAt(at);
    if (info === undefined) continue;
    if ((await stat(at)).isDirectory()) return;
    throw new TritcError({
      code: "TRITC_E_OUT",
      message: "the output path lies below a file",
      place: out,
      expected: "a path below folders",
      found: `${at} is a file`,
      remedy: "choose another path for --out",
      exitCode: 2,
    });
  }
}

/** Every file below a folder, by path with forward slashes, and every folder without entries. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  const walk = async (below: string) => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (!entry.isDirectory()) files.push(path);
      else if ((await readdir(join(folder, path))).length === 0) files.push(path);
      else await walk(path);
    }
  };
  await walk("");
  return files.sort();
}

/** The files that a bundle's manifest lists, of whatever version; undefined if it is no such manifest. */
export async function listedFiles(path: string): Promise<ReadonlySet<string> | undefined> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readRegularText(path, MOST_METADATA_BYTES));
  } catch {
    return undefined;
  }
  if (!isObject(manifest) || manifest.format !== BUNDLE_FORMAT) return undefined;
  if (!Array.isArray(manifest.files)) return undefined;
  const files: readonly unknown[] = manifest.files;
  return new Set(files.flatMap((f) => (isObject(f) && typeof f.path === "string" ? [f.path] : [])));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function refuse(out: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "the output path exists and is not a bundle alone, so it is not overwritten",
    place: out,
    expected: "a new path, an empty folder, or a bundle to replace",
    found,
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
