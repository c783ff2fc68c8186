import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { syncFolder } from "../atomic-file.js";
import { describeSystemError } from "../system-errors.js";
import { recoverFolder } from "./leftovers.js";
import { whatIsThere } from "./occupant.js";

/**
 * Makes a folder all at once: `write` fills a temporary folder beside `out`, which is renamed to `out` when it is
 * complete. On an error nothing is left, and what was at `out` stays. Only another bundle or an empty folder
 * is replaced: throws TRITC_E_OUT_EXISTS for anything else.
 *
 * A process that is killed leaves its temporary folder, which the next call with this `out` removes. Replacing
 * a folder takes two renames: killed between them, the old folder lies beside `out`, and the next call puts
 * it back before anything else.
 */
export async function writeFolder(out: string, write: (folder: string) => Promise<void>): Promise<void> {
  const target = resolve(out);
  const parent = dirname(target);
  const temporary = join(parent, `.${basename(target)}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`);
  let made: string | undefined;
  try {
    made = await mkdir(parent, { recursive: true });
    await recoverFolder(target);
    const replaces = await whatIsThere(out);
    await mkdir(temporary);
    await write(temporary);
    await syncFolder(temporary);
    if (replaces === "bundle") await replace(temporary, target);
    else {
      if (replaces === "empty") await rmdir(target);
      await rename(temporary, target);
    }
    await syncFolder(parent);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (made !== undefined) await removeEmpty(parent, made);
    throw describeSystemError(error, out) ?? error;
  }
}

/** Puts the new folder where the old one is; the old one comes back if that fails. */
async function replace(temporary: string, target: string): Promise<void> {
  const old = `${temporary}.old`;
  await rename(target, old);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Removes the folders from `folder` up to `top`, which were made for nothing, as far as they are empty. */
async function removeEmpty(folder: string, top: string): Promise<void> {
  try {
    for (let at = folder; at.length >= top.length; at = dirname(at)) await rmdir(at);
  } catch {
    // Another process put something there.
  }
}
