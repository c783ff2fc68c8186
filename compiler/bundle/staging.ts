import { randomBytes } from "node:crypto";
import { realpath, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import { syncFolder } from "../atomic-file.js";
import { makeFolder } from "../make-folder.js";
import { describeSystemError } from "../system-errors.js";
import { recoverFolder } from "./leftovers.js";
import { listedFiles, type Occupant, whatIsThere } from "./occupant.js";
import { outputBusy, WorkFolder } from "./work-folder.js";

export interface StagingOptions {
  /** Files that a run that was stopped leaves for the next one, as `begin` keeps them; none if absent. */
  readonly keep?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** How a command begins anew where there is unfinished work; by `--no-resume` if absent. */
  readonly anew?: string;
  /** Told in words where unfinished work is kept. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Looks at what is at `out`, and refuses what may not be replaced; only bundles may be, if absent. */
  readonly look?: (out: string) => Promise<Occupant>;
}

/**
 * Makes a folder all at once: `write` fills the bundle of a work folder beside `out`, which is renamed to `out` when it
 * is complete. Only another bundle or an empty folder is replaced: throws TRITC_E_OUT_EXISTS for anything else. All that
 * `write` does is done under the lock of the output, which one thread of one process has: TRITC_E_OUT_BUSY for the others.
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
  const look = options.look ?? whatIsThere;
  let made: string | undefined;
  let target = resolve(out);
  let work: WorkFolder | undefined;
  try {
    await refuseNested(target);
    made = await makeFolder(dirname(target));
    target = await physicalPath(target);
    work = await WorkFolder.open(target);
    await recoverFolder(target);
    await look(out);
    const result = await write(work);
    await syncFolder(work.bundle);
    await publish(work.bundle, target, look);
    await work.remove();
    await syncFolder(dirname(target));
    return result;
  } catch (error) {
    const described = describeSystemError(error, out);
    const isStopped = options.signal?.aborted === true || isSystem(error) || described !== undefined;
    const isKept = isStopped && (options.keep ?? []).length > 0;
    if (work?.isWorthKeeping === true && isKept) {
      await work.leave();
      options.onNotice?.(
        `what is done is kept in ${work.path}: the same command goes on from there; ${options.anew ?? "--no-resume starts anew"}`,
      );
    } else {
      await (work?.hasBegun === true ? work.remove() : work?.leave());
      if (made !== undefined) await removeEmpty(dirname(resolve(out)), made);
    }
    throw described ?? error;
  }
}

/** One path for one place, however it is spelled: links are followed, those of the last name too. */
export async function physicalPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return join(await realpath(dirname(path)), basename(path));
  }
}

/**
 * Refuses a path inside a bundle, whose files are what its manifest lists, and inside a folder that is being written,
 * which is replaced as a whole. `option` is the one that named it.
 */
export async function refuseNested(target: string, option = "--out"): Promise<void> {
  for (let above = dirname(target); above !== dirname(above); above = dirname(above)) {
    const at = await realpath(above).catch(() => above);
    const holder = await WorkFolder.holderOf(at);
    if (holder !== undefined) throw outputBusy(at, holder);
    if ((await listedFiles(join(at, MANIFEST_FILE))) === undefined) continue;
    throw new TritcError({
      code: "TRITC_E_OUT",
      message: "the output path lies inside a bundle",
      place: target,
      expected: "a path outside of bundles",
      found: `${at} is a bundle`,
      remedy: `choose another path for ${option}`,
      exitCode: 2,
    });
  }
}

/** Moves the finished folder to its place, where something may have come to lie in the meantime. */
async function publish(
  finished: string,
  target: string,
  look: (out: string) => Promise<Occupant>,
): Promise<void> {
  const there = await look(target);
  if (there === "bundle") return replace(finished, target, look);
  if (there === "empty") await rmdir(target);
  await rename(finished, target);
}

/** Puts the new folder where the old one is; the old one comes back if that fails, or if it turns out to hold more. */
async function replace(
  finished: string,
  target: string,
  look: (out: string) => Promise<Occupant>,
): Promise<void> {
  const unique = `${process.pid}.${randomBytes(4).toString("hex")}`;
  const old = join(dirname(target), `.${basename(target)}.${unique}.tmp.old`);
  await rename(target, old);
  try {
    await look(old);
    await rename(finished, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Removes the folders from `folder` up to `top`, which were made for nothing, as far as they are empty. */
export async function removeEmpty(folder: string, top: string): Promise<void> {
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
