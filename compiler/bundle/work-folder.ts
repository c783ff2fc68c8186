import { mkdir, open, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { isRunning } from "./leftovers.js";

const BUNDLE = "bundle";
const JOURNAL = "journal";
const LOCK = "lock";

/**
 * `.<name>.partial` beside a bundle's path: the bundle while it is made, a journal of what is done, and the id of the
 * process that works on it. What a process that was stopped has left there, the next one goes on with.
 */
export class WorkFolder {
  readonly path: string;
  /** The bundle in the making. */
  readonly bundle: string;
  readonly journal: string;
  /** Set when there is something that a later run can use. */
  isWorthKeeping = false;

  private constructor(path: string) {
    this.path = path;
    this.bundle = join(path, BUNDLE);
    this.journal = join(path, JOURNAL);
  }

  /**
   * The work folder of a bundle's absolute path. Of an earlier run, files named in `keep` stay in the bundle, and the
   * journal. Throws TRITC_E_OUT_BUSY where another process works in it.
   */
  static async open(target: string, keep: readonly string[]): Promise<WorkFolder> {
    const work = new WorkFolder(join(dirname(target), `.${basename(target)}.partial`));
    await mkdir(work.path, { recursive: true });
    try {
      await work.#lock(target);
    } catch (error) {
      await work.#removeEmpty();
      throw error;
    }
    try {
      if (keep.length === 0) await rm(work.journal, { force: true });
      await mkdir(work.bundle, { recursive: true });
      for (const name of await readdir(work.bundle)) {
        if (!keep.includes(name)) await rm(join(work.bundle, name), { recursive: true, force: true });
      }
    } catch (error) {
      await work.leave();
      await work.#removeEmpty();
      throw error;
    }
    return work;
  }

  /** Leaves it for a later run. */
  async leave(): Promise<void> {
    await rm(join(this.path, LOCK), { force: true });
  }

  async remove(): Promise<void> {
    for (const name of [BUNDLE, JOURNAL, LOCK]) {
      await rm(join(this.path, name), { recursive: true, force: true });
    }
    await this.#removeEmpty();
  }

  /** Removes what holds nothing. Somebody else's files are not ours to remove, nor are those of an earlier run. */
  async #removeEmpty(): Promise<void> {
    await rmdir(this.bundle).catch(() => undefined);
    await rmdir(this.path).catch(() => undefined);
  }

  async #lock(target: string): Promise<void> {
    const path = join(this.path, LOCK);
    for (let attempt = 0; ; attempt++) {
      try {
        const file = await open(path, "wx");
        try {
          await file.writeFile(String(process.pid));
          return;
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        } finally {
          await file.close();
        }
      } catch (error) {
        const isTaken = error instanceof Error && "code" in error && error.code === "EEXIST";
        if (!isTaken || attempt > 0) throw error;
      }
      const holder = Number(await readFile(path, "utf8").catch(() => ""));
      if (holder > 0 && isRunning(holder)) throw busy(target, holder, this.path);
      await rm(path, { force: true });
    }
  }
}

function busy(target: string, holder: number, path: string): TritcError {
  return new TritcError({
    code: "TRITC_E_OUT_BUSY",
    message: "another process is writing this bundle",
    place: target,
    found: `process ${holder}`,
    remedy: `wait for it; if it is another program by now, remove ${path}`,
  });
}
