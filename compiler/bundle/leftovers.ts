import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Undoes what a killed process left beside `target`: puts an old folder back, removes temporary ones. Whoever calls it has
 * the lock, so they are nobody's.
 */
export async function recoverFolder(target: string): Promise<void> {
  const parent = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of (await readdir(parent)).sort()) {
    const parts = name.startsWith(prefix)
      ? /^\d+\.[0-9a-f]{8}\.tmp(\.old)?$/.exec(name.slice(prefix.length))
      : null;
    if (parts === null) continue;
    const path = join(parent, name);
    if (parts[1] !== undefined && !existsSync(target)) await rename(path, target);
    else await rm(path, { recursive: true, force: true });
  }
}
