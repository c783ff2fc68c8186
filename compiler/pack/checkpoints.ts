import type { FileHandle } from "node:fs/promises";
import type { Journal, PackedRows } from "./journal.js";
import type { PackSource } from "./source-files.js";

/** How much an interruption may lose: bytes written, and time since the last of them were flushed. */
const MOST_BYTES = 64e6;
const MOST_MILLISECONDS = 250;

/** Notes rows in the journal when they are on the disk, and stops the work where the model's files have changed. */
export class Checkpoints {
  readonly #file: FileHandle;
  readonly #source: PackSource;
  readonly #journal: Journal | undefined;
  #pending: PackedRows[] = [];
  #bytes = 0;
  #last = performance.now();
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(file: FileHandle, source: PackSource, journal: Journal | undefined) {
    this.#file = file;
    this.#source = source;
    this.#journal = journal;
  }

  /** Rows that have been written. Throws what an earlier flush failed of. */
  add(record: PackedRows, bytes: number): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#journal === undefined) return;
    this.#pending.push(record);
    this.#bytes += bytes;
    const isDue = this.#bytes >= MOST_BYTES || performance.now() - this.#last >= MOST_MILLISECONDS;
    if (!isDue || this.#running !== undefined) return;
    this.#running = this.#flush()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Flushes all that was added. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const records = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    this.#last = performance.now();
    await this.#file.datasync();
    // Rows that were read from a file that changed must never count as done.
    this.#source.check();
    await this.#journal?.append(records);
  }
}
