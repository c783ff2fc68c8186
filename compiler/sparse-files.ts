import { resolve } from "node:path";
import { TritcError } from "../ir/errors.js";

/** Bytes of a file from `begin` to before `end`. */
export interface ByteSpan {
  readonly begin: number;
  readonly end: number;
}

const files = new Map<string, SparseFile>();

/**
 * A file of which some bytes are here; its size is that of all, and the others look like zeros. Until it is released, who reads one of
 * those gets an error, and the file knows what was asked for.
 */
export class SparseFile {
  /** Bytes that were read and are not here. */
  readonly missed: ByteSpan[] = [];
  #present: readonly ByteSpan[] = [];
  readonly #path: string;

  constructor(path: string) {
    this.#path = resolve(path);
    files.set(this.#path, this);
  }

  release(): void {
    files.delete(this.#path);
  }

  /** Bytes that are here now. */
  add(span: ByteSpan): void {
    this.#present = joinSpans([...this.#present, span], 0);
  }

  has({ begin, end }: ByteSpan): boolean {
    return begin >= end || this.#present.some((each) => each.begin <= begin && end <= each.end);
  }
}

/** Spans in order, as one where no more than `gap` bytes lie between them. */
export function joinSpans(spans: readonly ByteSpan[], gap: number): readonly ByteSpan[] {
  const joined: { begin: number; end: number }[] = [];
  for (const { begin, end } of spans.toSorted((a, b) => a.begin - b.begin)) {
    const last = joined.at(-1);
    if (last !== undefined && begin <= last.end + gap) last.end = Math.max(last.end, end);
    else joined.push({ begin, end });
  }
  return joined;
}

/** Bytes of a model were read that are not here. Whoever catches it has no result: the file remembers them. */
class MissingBytes extends TritcError {
  constructor(path: string, offset: number, length: number) {
    super({
      code: "TRITC_E_FILE_READ",
      place: path,
      message: "bytes of the file were not downloaded",
      expected: `${length} bytes at offset ${offset}`,
      remedy:
        "this is a bug in tritc: report it; `hf download` brings the whole model here, which then is read from there",
    });
  }
}

/** What every reader of weight files calls before it reads. Throws TRITC_E_FILE_READ where a sparse file lacks the bytes. */
export function requireBytes(path: string, offset: number, length: number): void {
  if (files.size === 0) return;
  const file = files.get(resolve(path));
  const span = { begin: offset, end: offset + length };
  if (file === undefined || file.has(span)) return;
  file.missed.push(span);
  throw new MissingBytes(path, offset, length);
}

/** Several pieces of work that read: bytes that are missing for one do not keep the others from asking for theirs. */
export class Asking {
  #missing: MissingBytes | undefined;

  /** What work gives; undefined where it lacks bytes. */
  attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof MissingBytes)) throw error;
      this.#missing = error;
      return undefined;
    }
  }

  /** Throws if an attempt lacked bytes. */
  finish(): void {
    if (this.#missing !== undefined) throw this.#missing;
  }
}

/** `items.map(work)`, all of which ask for their bytes. */
export function mapAsking<T, U>(items: readonly T[], work: (item: T) => U): U[] {
  const asking = new Asking();
  const results = items.map((item) => asking.attempt(() => work(item)));
  asking.finish();
  return results as U[];
}
