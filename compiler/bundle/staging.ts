import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { syncFolder } from "../atomic-file.js";
import { describeSystemError } from "../system-errors.js";
import { recoverFolder } from "./leftovers.js";
import { type Occupant, whatIsThere } from "./occupant.js";
import { WorkFolder } from "./work-folder.js";

export interface StagingOptions {
  /** Files that a run that was stopped leaves for the next one; none if absent. */
  readonly keep?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Told in words where unfinished work is kept. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Looks at what is at `out`, and refuses what may not be replaced; only bundles may be, if absent. */
  readonly look?: (out: string) => Promise<Occupant>;
}

/**
 * Makes a folder all at once: `write` fills the bundle of a work folder beside `out`, which is renamed to `out` when it
 * is complete. Only another bundle or an empty folder is replaced: throws TRITC_E_OUT_EXISTS for anything else.
 *
 * On an error what was at `out` stays, and nothing is left beside it; but work that was stopped, by a signal, a full
 * disk or the end of the process, stays in its work folder where the next call goes on with it. Replacing a folder
 * takes two renames: killed between them, the old folder lies beside `out`, and the next call puts it back before
 * anything else. Returns what `write` does.
 */
export async function writeFolder<T>(
  out: string,
  options: StagingOptions,
  write: (work: WorkFolder) => Promise<T>,
): Promise<T> {
  const target = resolve(out);
  const parent = dirname(target);
  let made: string | undefined;
  let work: WorkFolder | undefined;
  try {
    made = await mkdir(parent, { recursive: true });
    await recoverFolder(target);
    const replaces = await (options.look ?? whatIsThere)(out);
    work = await WorkFolder.open(target, options.keep ?? []);
    const result = await write(work);
    await syncFolder(work.bundle);
    if (replaces === "bundle") await replace(work.bundle, target);
    else {
      if (replaces === "empty") await rmdir(target);
      await rename(work.bundle, target);
    }
    await work.remove();
    await syncFolder(parent);
    return result;
  } catch (error) {
    const described = describeSystemError(error, out);
    const isStopped = options.signal?.aborted === true || isSystem(error) || described !== undefined;
    const isKept = isStopped && (options.keep ?? []).length > 0;
    if (work?.isWorthKeeping && isKept) {
      await work.leave();
      options.onNotice?.(
        `what is done is kept in ${work.path}: the same command goes on from there; --no-resume starts anew`,
      );
    } else {
      await work?.remove();
      if (made !== undefined) await removeEmpty(parent, made);
    }
    throw described ?? error;
  }
}
/** Puts the new folder where the old one is; the old one comes back if that fails. */
async function replace(temporary: string, target: string): Promise<void> {
  const unique = `${process.pid}.${randomBytes(4).toString("hex")}`;
  const old = join(dirname(target), `.${basename(target)}.${unique}.tmp.old`);
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

/** Whether the operating system is at fault, as `describeSystemError` has said already. */
function isSystem(error: unknown): boolean {
  return error instanceof TritcError && error.code === "TRITC_E_SYSTEM";
}
