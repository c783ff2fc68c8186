import { closeSync, fstatSync, readSync } from "node:fs";
import { openRegular } from "../regular-file.js";
import { requireBytes } from "../sparse-files.js";

const WINDOW = 1 << 16;

/** One protobuf field of a file. */
export interface FieldRange {
  readonly number: number;
  /** Whether it is a string, bytes, a message or a packed list. */
  readonly delimited: boolean;
  /** Where its content begins and ends. */
  readonly begin: number;
  readonly end: number;
}

/** Protobuf structure of a file, read through a small window. Errors are RangeErrors. */
export class FileWindow {
  readonly size: number;
  private readonly descriptor: number;
  private window: Uint8Array = new Uint8Array(0);
  private start = 0;

  constructor(private readonly file: string) {
    this.descriptor = openRegular(file);
    this.size = fstatSync(this.descriptor).size;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  read(from: number, to: number): Uint8Array {
    requireBytes(this.file, from, to - from);
    const bytes = new Uint8Array(to - from);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(this.descriptor, bytes, done, bytes.length - done, from + done);
      if (count === 0) throw new RangeError(`the file ends at byte ${from + done}`);
      done += count;
    }
    return bytes;
  }

  /** The field whose tag is at `at`, which must end by `limit`. */
  field(at: number, limit: number): FieldRange {
    const [tag, begin] = this.varint(at, limit);
    const number = Math.floor(tag / 8);
    const end = this.contentEnd(tag % 8, begin, limit, at);
    if (number === 0) throw new RangeError(`invalid field number 0, at byte ${at}`);
    if (tag % 8 !== 2) return { number, delimited: false, begin, end };
    const [length, content] = this.varint(begin, limit);
    if (content + length > limit)
      throw new RangeError(`a field of ${length} bytes leaves its message, at byte ${at}`);
    return { number, delimited: true, begin: content, end: content + length };
  }

  private contentEnd(wire: number, begin: number, limit: number, at: number): number {
    if (wire === 2) return begin;
    const end =
      wire === 0 ? this.varint(begin, limit)[1] : wire === 1 ? begin + 8 : wire === 5 ? begin + 4 : 0;
    if (end === 0) throw new RangeError(`invalid wire type ${wire}, at byte ${at}`);
    if (end > limit) throw new RangeError(`a number leaves its message, at byte ${at}`);
    return end;
  }

  /** A varint (as a number: exact below 2^53) and where it ends. */
  private varint(at: number, limit: number): readonly [number, number] {
    let value = 0;
    for (let k = 0; k < 10; k++) {
      if (at + k >= limit) throw new RangeError(`a varint leaves its message, at byte ${at}`);
      const byte = this.byte(at + k);
      value += (byte & 127) * 2 ** (7 * k);
      if (byte < 128) return [value, at + k + 1];
    }
    throw new RangeError(`a varint of more than 10 bytes, at byte ${at}`);
  }

  private byte(at: number): number {
    if (at < this.start || at >= this.start + this.window.length) {
      this.start = at;
      this.window = this.read(at, Math.min(this.size, at + WINDOW));
    }
    return this.window[at - this.start] ?? 0;
  }
}

/** A whole number as protobuf writes it: seven bits a byte, the lowest first. */
export function varintBytes(value: number): readonly number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
}
