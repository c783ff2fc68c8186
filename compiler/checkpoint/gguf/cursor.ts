import type { ByteReader } from "../../../ir/constant/constant.js";
import { ggufError } from "./errors.js";

/** Bytes read at a time: a header of a diffusion model takes less than one such piece. */
const PIECE_BYTES = 1 << 18;
/** What a header may take; those of language models, with their vocabulary, have some ten megabytes. */
const MOST_HEADER_BYTES = 1 << 27;

/** Goes forward through a file's header, holding a piece of it. Whatever does not fit is a TRITC_E_GGUF. */
export class GgufCursor {
  /** Bytes before what comes next. */
  at = 0;
  #piece: DataView = new DataView(new ArrayBuffer(0));
  #pieceAt = 0;
  readonly #end: number;

  constructor(
    readonly file: string,
    /** Bytes of the file. */
    readonly size: number,
    readonly reader: ByteReader,
  ) {
    this.#end = Math.min(size, MOST_HEADER_BYTES);
  }

  /** Throws unless so many bytes, or things of at least `each` bytes, may follow. */
  require(count: number, what: string, each = 1): void {
    const room = Math.floor((this.#end - this.at) / each);
    if (count <= room) return;
    throw ggufError({
      place: this.file,
      message: this.#end < this.size ? "the header is too large" : "the header runs past the end of the file",
      expected: `at most ${room} at byte ${this.at}`,
      found: `${count} ${what}`,
    });
  }

  skip(bytes: number, what: string): void {
    this.require(bytes, what);
    this.at += bytes;
  }

  u32(): number {
    return this.#next(4, (view, at) => view.getUint32(at, true));
  }

  u64(what: string): number {
    const value = this.#next(8, (view, at) => view.getBigUint64(at, true));
    if (value < 1n << 53n) return Number(value);
    throw ggufError({
      place: this.file,
      message: `a number in the header is too large (${what})`,
      expected: "less than 2^53",
      found: `${value}`,
    });
  }

  /** A number of 1, 2, 4 or 8 bytes. */
  number<T>(bytes: number, get: (view: DataView, at: number) => T): T {
    return this.#next(bytes, get);
  }

  /** A name of at most `most` bytes. */
  string(most: number, what: string): string {
    const length = this.u64(`bytes of ${what}`);
    if (length > most) {
      throw ggufError({
        place: this.file,
        message: `${what} is too long`,
        expected: `at most ${most} bytes at byte ${this.at}`,
        found: `${length} bytes`,
      });
    }
    const bytes = this.#next(length, (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, length));
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw ggufError({
        place: this.file,
        message: `${what} is not UTF-8`,
        found: `byte ${this.at - length}`,
      });
    }
  }

  #next<T>(bytes: number, get: (view: DataView, at: number) => T): T {
    this.require(bytes, "bytes");
    if (this.at < this.#pieceAt || this.at + bytes > this.#pieceAt + this.#piece.byteLength) {
      const length = Math.min(Math.max(PIECE_BYTES, bytes), this.#end - this.at);
      const piece = this.reader.read(this.file, this.at, length);
      this.#piece = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
      this.#pieceAt = this.at;
    }
    const value = get(this.#piece, this.at - this.#pieceAt);
    this.at += bytes;
    return value;
  }
}
