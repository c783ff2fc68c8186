import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { copyFile, link, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { writeFileAtomic } from "../atomic-file.js";
import { readRegularText } from "../regular-file.js";
import type { FileTree } from "./select.js";

/** Settings and indices of weights; a tokenizer is no larger. */
const MOST_TEXT_BYTES = 1 << 26;

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * A repository in Hugging Face's cache, which all of its tools share: bytes in `blobs/`, named by their hash, a folder of
 * links to them for each commit in `snapshots/`, the commits of branches and tags in `refs/`.
 */
export class CachedRepository {
  readonly folder: string;
  /** Locks of who writes a blob. */
  readonly locks: string;

  constructor(
    readonly cache: string,
    name: string,
  ) {
    const own = `models--${name.replace("/", "--")}`;
    this.folder = join(cache, own);
    this.locks = join(cache, ".locks", own);
  }

  /** The file that says which commit a branch or tag is. */
  reference(revision: string): string {
    return join(this.folder, "refs", revision);
  }

  /** The commit that a revision was when it was last looked up, if it was. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    try {
      const commit = readFileSync(this.reference(revision), "utf8").trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  async noteCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || this.commitOf(revision) === commit) return;
    const path = this.reference(revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, (file) => file.writeFile(commit));
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  blob(hash: string): string {
    return join(this.folder, "blobs", hash);
  }

  /** Whether the bytes of a blob are here. */
  hasBlob(hash: string, bytes: number): boolean {
    return statSync(this.blob(hash), { throwIfNoEntry: false })?.size === bytes;
  }

  /** What of a commit is here; links without their bytes are not. */
  tree(commit: string): FileTree {
    const snapshot = this.snapshot(commit);
    return {
      names: (folder) => filesIn(join(snapshot, folder)),
      text: async (path) => readRegularText(join(snapshot, path), MOST_TEXT_BYTES),
    };
  }

  /** Bytes of a commit's file that is here. */
  sizeOf(commit: string, path: string): number | undefined {
    return statSync(join(this.snapshot(commit), path), { throwIfNoEntry: false })?.size;
  }

  /** Whether the hub said that a commit has no such file. */
  isKnownMissing(commit: string, path: string): boolean {
    return statSync(this.#absent(commit, path), { throwIfNoEntry: false }) !== undefined;
  }

  async noteMissing(commit: string, path: string): Promise<void> {
    const mark = this.#absent(commit, path);
    await mkdir(dirname(mark), { recursive: true });
    await writeFile(mark, "");
  }

  #absent(commit: string, path: string): string {
    return join(this.folder, ".no_exist", commit, path);
  }

  /** Puts a blob into a commit's folder, as a link where the system has links. */
  async place(commit: string, path: string, hash: string): Promise<void> {
    const to = join(this.snapshot(commit), path);
    const blob = this.blob(hash);
    await mkdir(dirname(to), { recursive: true });
    const temporary = `${to}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await symlink(relative(dirname(to), blob), temporary).catch(() =>
        link(blob, temporary).catch(() => copyFile(blob, temporary)),
      );
      await rename(temporary, to);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

function filesIn(folder: string): string[] {
  const isFile = (name: string) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true;
  try {
    return readdirSync(folder).filter(isFile).sort();
  } catch {
    // Nothing of it was downloaded.
    return [];
  }
}
