import { existsSync, mkdirSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are missing; returns the topmost that it made. Node's own recursive `mkdir` tries
 * forever where the system has no place for a folder, as in /proc.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = path; !(await isThere(at)); at = dirname(at)) missing.push(at);
  for (const folder of [...missing].reverse()) {
    try {
      await mkdir(folder);
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  return missing.at(-1);
}

async function isThere(path: string): Promise<boolean> {
  if (path === dirname(path)) return true;
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The same at once. */
export function makeFolderSync(path: string): void {
  const missing: string[] = [];
  for (let at = path; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    try {
      mkdirSync(folder);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
}
