import { AsyncLocalStorage } from "node:async_hooks";
import { type BigIntStats, statSync } from "node:fs";
import { resolve } from "node:path";

/** What tells whether a file was written to. */
export interface FileLook {
  /** Below zero: there is none. */
  readonly bytes: number;
  /** Which file it is, when it was written to, and when anything of it was changed last, which nobody can set back. */
  readonly changed: string;
}

const looks = new AsyncLocalStorage<Map<string, FileLook>>();

/** Does work in which files are remembered as they were when they were first opened: what is read later must be the same. */
export function withFirstLooks<T>(work: () => Promise<T>): Promise<T> {
  return looks.run(new Map(), work);
}

/** Remembers a file that is opened, or whose size is relied on. */
export function noteLook(path: string, info: BigIntStats): void {
  const seen = looks.getStore();
  const absolute = resolve(path);
  if (seen !== undefined && !seen.has(absolute)) seen.set(absolute, lookOf(info));
}

/** A file as it was first seen in this work, or as it is now if that is the first time. */
export function firstLook(absolute: string): FileLook {
  return looks.getStore()?.get(absolute) ?? lookAt(absolute);
}

/** A file as it is now. */
export function lookAt(path: string): FileLook {
  try {
    return lookOf(statSync(path, { bigint: true }));
  } catch {
    return { bytes: -1, changed: "" };
  }
}

function lookOf({ size, ino, mtimeNs, ctimeNs }: BigIntStats): FileLook {
  return { bytes: Number(size), changed: `${ino} ${mtimeNs} ${ctimeNs}` };
}
