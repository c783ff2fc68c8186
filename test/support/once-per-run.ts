import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { inject } from "vitest";

/** Path of a folder that the first test file of a run to ask for it fills, and the others wait for. */
export async function oncePerRun(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(inject("runFolder"), name);
  const filling = `${folder}.filling`;
  while (!existsSync(folder)) {
    // Only one makes it; where that one fails, the next tries.
    const isOurs = await mkdir(filling).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
        return false;
      },
    );
    if (!isOurs) {
      await setTimeout(100);
      continue;
    }
    try {
      if (existsSync(folder)) break;
      await fill(filling);
      await rename(filling, folder);
    } finally {
      await rm(filling, { recursive: true, force: true });
    }
  }
  return folder;
}
