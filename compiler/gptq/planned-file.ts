import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/** Bytes that are hashed at a time. */
const CHUNK_BYTES = 1 << 24;

/** What a file of known layout has of a layer. */
export interface PlannedRange {
  readonly role: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A file of known layout, which is filled layer by layer. */
export class PlannedFile {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** That of an earlier run, which stays as it is where nothing is written, or a new one. */
  static async open(path: string): Promise<PlannedFile> {
    return new PlannedFile(await open(path, "r+").catch(() => open(path, "w+")));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  /** All that was written is on the disk when it resolves. */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    await this.#file.read(into, 0, into.length, position);
  }

  /** SHA-256 of all that is of a layer. */
  async hash({ offset, bytes }: PlannedRange): Promise<string> {
    const hash = createHash("sha256");
    for (let done = 0; done < bytes; ) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes - done));
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, offset + done);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
    }
    return hash.digest("hex");
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
