import { createHash, randomBytes } from "node:crypto";
import { constants, readFileSync, rmSync } from "node:fs";
import { copyFile, link, readFile, rename, rm, writeFile } from "node:fs/promises";

/** Who holds a lock, as its file says it. */
interface Owner {
  readonly pid: number;
  /** When the process began, in the system's own count; null where the system does not tell. */
  readonly began: string | null;
  /** When the lock was made, in milliseconds. */
  readonly at: number;
  /** Names this lock and no other. */
  readonly token: string;
}

/** A lock whose holder is at work. */
export class LockHeldError extends Error {
  constructor(readonly pid: number) {
    super(`process ${pid} holds the lock`);
  }
}

/**
 * A lock file that one thread of one process holds. One that a dead process left is taken over by exactly one: whoever
 * makes the file that is named after the dead lock's token is its only heir, and alone may put its own in the place. An
 * heir that dies before that leaves such a file, which is inherited in the same way.
 */
export class FileLock {
  readonly #onExit = () => {
    if (tokenAt(this.path) === this.owner.token) rmSync(this.path, { force: true });
  };

  private constructor(
    private readonly path: string,
    private readonly owner: Owner,
  ) {
    process.once("exit", this.#onExit);
  }

  /** Throws LockHeldError, and what the operating system reports: ENOENT where the folder is gone. */
  static async take(path: string): Promise<FileLock> {
    const token = randomBytes(8).toString("hex");
    const owner: Owner = { pid: process.pid, began: beganAt(process.pid), at: Date.now(), token };
    const mine = `${path}.${token}`;
    await writeFile(mine, JSON.stringify(owner), { flag: "wx" });
    try {
      await acquire(path, mine);
    } finally {
      await rm(mine, { force: true });
    }
    return new FileLock(path, owner);
  }

  async release(): Promise<void> {
    process.removeListener("exit", this.#onExit);
    if (tokenAt(this.path) === this.owner.token) await rm(this.path, { force: true });
  }
}

/** The process that holds a lock, if one does. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const owner = await ownerOf(path);
  return owner !== undefined && isAtWork(owner) ? owner.pid : undefined;
}

async function acquire(path: string, mine: string): Promise<void> {
  for (;;) {
    if (await place(mine, path)) return;
    const holder = await ownerOf(path);
    // Released in between.
    if (holder === undefined) continue;
    if (isAtWork(holder)) throw new LockHeldError(holder.pid);
    const heir = `${path}.after.${holder.token}`;
    await acquire(heir, mine);
    try {
      // Others may have inherited, worked and released before this one made its claim.
      if ((await ownerOf(path))?.token !== holder.token) continue;
      const own = `${mine}.own`;
      await copyFile(mine, own);
      await rename(own, path);
      return;
    } finally {
      await rm(heir, { force: true });
    }
  }
}

/** Makes `path` with the bytes of `file` at once; false if there is something. */
async function place(file: string, path: string): Promise<boolean> {
  try {
    await link(file, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    if (codeOf(error) === "ENOENT") throw error;
  }
  // A file system without links.
  try {
    await copyFile(file, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Who a lock file names; undefined where there is none. What is no such file names nobody. */
async function ownerOf(path: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
  return parseOwner(text);
}

function parseOwner(text: string): Owner {
  const token = createHash("sha256").update(text).digest("hex").slice(0, 16);
  const nobody: Owner = { pid: 0, began: null, at: 0, token };
  try {
    const value: unknown = JSON.parse(text);
    // Before locks said more, they were a process id.
    if (typeof value === "number") return { ...nobody, pid: value };
    if (typeof value !== "object" || value === null) return nobody;
    const given = value as Readonly<Partial<Record<keyof Owner, unknown>>>;
    if (typeof given.token !== "string" || !/^[0-9a-f]{16}$/.test(given.token)) return nobody;
    return {
      pid: typeof given.pid === "number" ? given.pid : 0,
      began: typeof given.began === "string" ? given.began : null,
      at: typeof given.at === "number" ? given.at : 0,
      token: given.token,
    };
  } catch {
    return nobody;
  }
}

function tokenAt(path: string): string | undefined {
  try {
    return parseOwner(readFileSync(path, "utf8")).token;
  } catch {
    return undefined;
  }
}

/** Whether the process that made the lock still runs: this one, or another of the same id and beginning. */
function isAtWork({ pid, began, at }: Owner): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  // This process, in whatever thread, unless an earlier one had its id.
  if (pid === process.pid) return began === null ? at >= ownBeginning() : began === beganAt(pid);
  try {
    process.kill(pid, 0);
  } catch (error) {
    // The process of another user may not be signalled, but it is there.
    if (codeOf(error) !== "EPERM") return false;
  }
  return began === null || (beganAt(pid) ?? began) === began;
}

function ownBeginning(): number {
  return Date.now() - process.uptime() * 1000;
}

/** Linux: a process's start in ticks since the system's. Ids come again, this does not. */
function beganAt(pid: number): string | null {
  if (process.platform !== "linux") return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in brackets, may hold anything; the start is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
