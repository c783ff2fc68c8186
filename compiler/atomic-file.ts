import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TritcError } from "../ir/errors.js";
import { describeSystemError } from "./system-errors.js";
import { removeOnExit } from "./temporary.js";

/**
 * Writes a file so that its path holds either what it held before or all of the new bytes: a temporary file
 * beside it, fsync, rename, fsync of the folder. On any failure the temporary file is removed.
 */
export async function writeFileAtomic(
  out: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  // A link stays, and the file that it leads to is replaced.
  const path = await realpath(out).catch(() => out);
  const folder = dirname(path);
  // A random name: process ids come back in containers, and a killed process leaves its file.
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  const isGone = removeOnExit(temporary);
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    // Errors of an open file name no path.
    throw describeSystemError(error, path) ?? error;
  } finally {
    isGone();
  }
}

/** Makes a rename in a folder durable; a no-op where folders cannot be opened (Windows). */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Refuses a file's path before the work that makes its bytes: its folder must exist, and no folder may have its
 * name. Throws TRITC_E_OUT.
 */
export async function checkFilePath(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  if (!(await isFolder(folder))) {
    throw new TritcError({
      code: "TRITC_E_OUT",
      message: "the folder to write into does not exist",
      place: path,
      expected: `a folder ${folder}`,
      remedy: "make the folder, or choose another output path",
      exitCode: 2,
    });
  }
  const there = await stat(path).catch(() => undefined);
  if (there === undefined || there.isFile()) return;
  const isFolderThere = there.isDirectory();
  throw new TritcError({
    code: "TRITC_E_OUT",
    message: isFolderThere
      ? "the output path is a folder"
      : "the output path is a pipe, a socket or a device",
    place: path,
    expected: "the path of a file",
    remedy: isFolderThere
      ? "choose another output path"
      : "use -o - for standard output, or choose another path",
    exitCode: 2,
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    // Whatever keeps it from being looked at keeps it from being written to.
    return false;
  }
}
