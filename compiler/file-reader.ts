import { closeSync, fstatSync, readSync } from "node:fs";
import type { ByteReader } from "../ir/constant/constant.js";
import { TritcError } from "../ir/errors.js";
import { openRegular } from "./regular-file.js";
import { requireBytes } from "./sparse-files.js";

/** Reads byte ranges of files; keeps them open until `close`. */
export interface FileReader extends ByteReader {
  close(): void;
}

/** A `ByteReader` over the file system. Files must not shrink while it is in use. */
export function fileReader(): FileReader {
  const open = new Map<string, OpenFile>();
  const opened = (file: string): OpenFile => {
    const known = open.get(file);
    if (known !== undefined) return known;
    const fd = openForReading(file);
    const added = { fd, size: fstatSync(fd).size };
    open.set(file, added);
    return added;
  };
  return {
    read(file, offset, length) {
      const { fd, size } = opened(file);
      if (offset < 0 || offset + length > size) throw shortRead(file, offset, length, size);
      requireBytes(file, offset, length);
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const count = readSync(fd, bytes, done, length - done, offset + done);
        if (count === 0) throw shortRead(file, offset, length, offset + done);
        done += count;
      }
      return bytes;
    },
    close() {
      for (const { fd } of open.values()) closeSync(fd);
      open.clear();
    },
  };
}

interface OpenFile {
  readonly fd: number;
  /** Bytes when it was opened. */
  readonly size: number;
}

function openForReading(file: string): number {
  try {
    return openRegular(file);
  } catch (cause) {
    if (cause instanceof TritcError) throw cause;
    throw new TritcError({
      code: "TRITC_E_FILE_READ",
      place: file,
      message: "the file cannot be opened",
      found: cause instanceof Error ? cause.message : String(cause),
      remedy: "check that the file exists and may be read",
      cause,
    });
  }
}

function shortRead(file: string, offset: number, length: number, size: number): TritcError {
  return new TritcError({
    code: "TRITC_E_FILE_READ",
    place: file,
    message: "the file ends before the bytes that are needed",
    expected: `${length} bytes at offset ${offset}`,
    found: `a file of ${size} bytes`,
    remedy: "check that the download is complete, and that nothing writes to the file",
  });
}
