import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Undoes what a killed process left beside `target`: puts an old folder back, removes temporary ones. */
export async function recoverFolder(target: string): Promise<void> {
  const parent = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of (await readdir(parent)).sort()) {
    const parts = name.startsWith(prefix)
      ? /^(\d+)\.[0-9a-f]{8}\.tmp(\.old)?$/.exec(name.slice(prefix.length))
      : null;
    if (parts === null || isRunning(Number(parts[1]))) continue;
    const path = join(parent, name);
    if (parts[2] !== undefined && !existsSync(target)) await rename(path, target);
    else await rm(path, { recursive: true, force: true });
  }
}

/** Whether another process has this id. */
export function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process of another user may not be signalled, but it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
