import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { makeFolder } from "../make-folder.js";
import { FileLock, LockHeldError, lockHolder } from "./lock.js";

const BUNDLE = "bundle";
const JOURNAL = "journal";
const PREPARED = "prepared";
const LOCK = "lock";

/**
 * `.<name>.partial` beside a bundle's path: the bundle while it is made, a journal of what is done, and the lock of the
 * process that works on it. What a process that was stopped has left there, the next one goes on with.
 */
export class WorkFolder {
  readonly path: string;
  /** The bundle in the making. */
  readonly bundle: string;
  /** A file or folder of what a later run needs to go on. */
  readonly journal: string;
  /** A folder of what is worked out on the way to the bundle, with all that a later run needs to go on with it. */
  readonly prepared: string;
  /** Whether `begin` was called; before it, nothing that an earlier run left is touched. */
  hasBegun = false;
  /** Set when there is something that a later run can use. */
  isWorthKeeping = false;
  #lock: FileLock | undefined;
  /** The process ends in the middle: what nobody can go on with goes. */
  readonly #onExit = () => {
    if (existsSync(this.journal) || existsSync(this.prepared)) return;
    if (this.hasBegun) rmSync(this.bundle, { recursive: true, force: true });
    if (readdirSync(this.path).length === 0) rmdirSync(this.path);
  };

  private constructor(path: string) {
    this.path = path;
    this.bundle = join(path, BUNDLE);
    this.journal = join(path, JOURNAL);
    this.prepared = join(path, PREPARED);
  }

  /** Locks the work folder of a bundle's absolute path. Throws TRITC_E_OUT_BUSY where somebody works in it. */
  static async open(target: string): Promise<WorkFolder> {
    const work = new WorkFolder(workPath(target));
    for (;;) {
      await makeFolder(work.path);
      try {
        work.#lock = await FileLock.take(join(work.path, LOCK));
        process.once("exit", work.#onExit);
        return work;
      } catch (error) {
        // Whoever had it has removed the folder in between.
        if (error instanceof Error && "code" in error && error.code === "ENOENT") continue;
        await rmdir(work.path).catch(() => undefined);
        throw error instanceof LockHeldError ? outputBusy(target, error.pid) : error;
      }
    }
  }

  /** The process that writes at a bundle's path now, if any. */
  static holderOf(target: string): Promise<number | undefined> {
    return lockHolder(join(workPath(target), LOCK));
  }

  /**
   * Makes the folder ready to be filled. Of an earlier run, files named in `keep`, by their paths in the bundle, stay there,
   * and the journal.
   */
  async begin(keep: readonly string[]): Promise<void> {
    this.hasBegun = true;
    if (keep.length === 0) await rm(this.journal, { recursive: true, force: true });
    await makeFolder(this.bundle);
    await keepOnly(this.bundle, keep);
  }

  /** Leaves it for a later run; what holds nothing goes. Once it is gone there is nothing to do. */
  async leave(): Promise<void> {
    await rmdir(this.bundle).catch(() => undefined);
    for (const name of await readdir(this.path).catch(() => [])) {
      // Of processes that were killed while they tried to get the lock.
      if (name.startsWith(`${LOCK}.`)) await rm(join(this.path, name), { force: true });
    }
    // The lock goes last: from then on the folder is another's, whose lock keeps it from being removed.
    process.removeListener("exit", this.#onExit);
    await this.#lock?.release();
    await rmdir(this.path).catch(() => undefined);
  }

  /** Removes what is ours. Somebody else's files stay. */
  async remove(): Promise<void> {
    for (const path of [this.bundle, this.journal, this.prepared])
      await rm(path, { recursive: true, force: true });
    await this.leave();
  }
}

/** Removes all but these paths below a folder. */
async function keepOnly(folder: string, keep: readonly string[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const { name } = entry;
    const path = join(folder, name);
    const below = keep.flatMap((kept) => (kept.startsWith(`${name}/`) ? [kept.slice(name.length + 1)] : []));
    if (entry.isDirectory() && below.length > 0) await keepOnly(path, below);
    else if (!keep.includes(name)) await rm(path, { recursive: true, force: true });
  }
}

function workPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.partial`);
}

/** TRITC_E_OUT_BUSY: the process writes at a bundle's path. */
export function outputBusy(target: string, holder: number): TritcError {
  return new TritcError({
    code: "TRITC_E_OUT_BUSY",
    message: `${holder === process.pid ? "this" : "another"} process is writing there already`,
    place: target,
    found: `process ${holder}`,
    remedy: `wait for it; if it is another program by now, remove ${join(workPath(target), LOCK)}`,
  });
}
