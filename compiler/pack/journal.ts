import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";

/** Rows of a tensor that are in the weight file, durably. */
export interface PackedRows {
  readonly tensor: string;
  /** First row of the tensor. */
  readonly at: number;
  readonly rows: number;
  /** SHA-256 of their bytes. */
  readonly hash: string;
  /** Their scales: f32 in base64, little-endian; empty where there are none. */
  readonly scales: string;
}

/** Characters of a line's checksum. */
const SUM_LENGTH = 16;

/**
 * What has been done of a work that can be resumed: a text file with a line for each piece, and before them one that
 * says what the work is. Every line begins with a checksum of the rest; whatever stands behind the first line that is
 * torn or damaged does not count.
 */
export class Journal {
  readonly #file: FileHandle;
  #lines: number;

  private constructor(file: FileHandle, lines: number) {
    this.#file = file;
    this.#lines = lines;
  }

  /**
   * Opens the journal of a work. Records are those of an earlier run of the same work, else none; `isOther` where there
   * was one of another work, which is gone then.
   */
  static async open(
    path: string,
    identity: string,
  ): Promise<{
    readonly journal: Journal;
    readonly records: readonly PackedRows[];
    readonly isOther: boolean;
  }> {
    const [head, ...rest] = validLines(await readText(path));
    const isSame = head !== undefined && head === headOf(identity);
    const lines = isSame ? [head, ...rest] : [];
    const file = await open(path, isSame ? "r+" : "w");
    const journal = new Journal(file, Math.max(0, lines.length - 1));
    try {
      // What follows must not be appended to a torn line.
      await file.truncate(Buffer.byteLength(lines.map(withSum).join("")));
      if (!isSame) await journal.#write([headOf(identity)]);
    } catch (error) {
      await file.close();
      throw error;
    }
    const isOther = head !== undefined && !isSame;
    return { journal, records: lines.slice(1).flatMap(parseRecord), isOther };
  }

  /** Whether something is in it that a later run can use. */
  get hasRecords(): boolean {
    return this.#lines > 0;
  }

  /** Adds records; they are on the disk when it resolves. */
  async append(records: readonly PackedRows[]): Promise<void> {
    if (records.length === 0) return;
    await this.#write(records.map((record) => JSON.stringify(record)));
    this.#lines += records.length;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #write(lines: readonly string[]): Promise<void> {
    const text = Buffer.from(lines.map(withSum).join(""));
    const { size } = await this.#file.stat();
    for (let done = 0; done < text.length; ) {
      const { bytesWritten } = await this.#file.write(text, done, text.length - done, size + done);
      done += bytesWritten;
    }
    await this.#file.sync();
  }
}

function headOf(identity: string): string {
  return JSON.stringify({ format: "tritc-pack-journal", version: 1, identity });
}

function withSum(line: string): string {
  return `${sumOf(line)} ${line}\n`;
}

function sumOf(line: string): string {
  return createHash("sha256").update(line).digest("hex").slice(0, SUM_LENGTH);
}

/** Lines up to the first that is damaged or has no end, without their checksums. */
function validLines(text: string): readonly string[] {
  const lines: string[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const rest = line.slice(SUM_LENGTH + 1);
    if (line.slice(0, SUM_LENGTH) !== sumOf(rest)) break;
    lines.push(rest);
  }
  return lines;
}

function parseRecord(line: string): readonly PackedRows[] {
  const record: unknown = JSON.parse(line);
  if (typeof record !== "object" || record === null) return [];
  const { tensor, at, rows, hash, scales } = record as Partial<Record<keyof PackedRows, unknown>>;
  if (typeof tensor !== "string" || typeof hash !== "string" || typeof scales !== "string") return [];
  if (typeof at !== "number" || typeof rows !== "number") return [];
  return [{ tensor, at, rows, hash, scales }];
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}
