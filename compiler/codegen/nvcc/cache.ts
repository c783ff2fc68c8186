import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../atomic-file.js";
import { makeFolder } from "../../make-folder.js";

/** Part of every key: raised when what an entry holds changes its meaning. */
const CACHE_FORMAT = 1;

/** What nvcc made of one source: its binary and what ptxas printed. */
export interface CachedBuild {
  readonly binary: Uint8Array;
  readonly log: string;
}

/**
 * Builds by content. An entry `<key>.build` is a line with the size of the log and the hash of the rest, the log, the binary; one that is not what
 * its first line says counts as absent. A cache that cannot be written is no error: the work is done again.
 */
export class BuildCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The key of a build that depends on these texts and nothing else. */
  static key(...parts: readonly string[]): string {
    return sha256(JSON.stringify([CACHE_FORMAT, ...parts]));
  }

  async get(key: string): Promise<CachedBuild | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path(key));
    } catch {
      return undefined;
    }
    const end = bytes.indexOf("\n");
    const body = bytes.subarray(end + 1);
    const logBytes = /^(\d{1,9}) ([0-9a-f]{64})$/.exec(bytes.toString("latin1", 0, Math.max(end, 0)));
    if (logBytes === null || logBytes[2] !== sha256(body)) return undefined;
    const split = Number(logBytes[1]);
    return { log: body.toString("utf8", 0, split), binary: new Uint8Array(body.subarray(split)) };
  }

  async put(key: string, { log, binary }: CachedBuild): Promise<void> {
    const text = Buffer.from(log, "utf8");
    const body = Buffer.concat([text, binary]);
    try {
      await makeFolder(this.#folder);
      await writeFileAtomic(this.#path(key), async (file) => {
        await file.write(`${text.length} ${sha256(body)}\n`);
        await file.write(body);
      });
    } catch {
      // A full disk or a read-only home: the build itself succeeded.
    }
  }

  #path(key: string): string {
    return join(this.#folder, `${key}.build`);
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
