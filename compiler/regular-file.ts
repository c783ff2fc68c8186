import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { TritcError } from "../ir/errors.js";
import { noteLook } from "./first-looks.js";
import { requireBytes } from "./sparse-files.js";

/** Manifest, program and graph of a bundle: FLUX.1-dev's are below 10 MB. */
export const MOST_METADATA_BYTES = 1 << 28;

/**
 * Opens a file for reading that is a file, wherever links lead: what a pipe or a device gives has no end that anybody knows,
 * and opening one may wait forever. Throws TRITC_E_FILE_READ, and what the operating system reports.
 */
export function openRegular(path: string): number {
  // Waits for nobody at the other end of a pipe. Windows has neither.
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const info = fstatSync(descriptor, { bigint: true });
  if (info.isFile()) {
    noteLook(path, info);
    return descriptor;
  }
  closeSync(descriptor);
  if (info.isDirectory()) throw Object.assign(new Error("EISDIR: a folder"), { code: "EISDIR", path });
  throw new TritcError({
    code: "TRITC_E_FILE_READ",
    message: "this is not a file",
    place: path,
    expected: "a file",
    found: "a pipe, a socket or a device",
    remedy: "give the path of the file itself",
  });
}

/** The text of a file of at most `most` bytes. Throws TRITC_E_FILE_READ, and what the operating system reports. */
export function readRegularText(path: string, most: number): string {
  const descriptor = openRegular(path);
  try {
    const { size } = fstatSync(descriptor);
    if (size > most) {
      throw new TritcError({
        code: "TRITC_E_FILE_READ",
        message: "the file is too large for what it should hold",
        place: path,
        expected: `at most ${most} bytes`,
        found: `${size} bytes`,
        remedy: "check that it is the right file",
      });
    }
    requireBytes(path, 0, size);
    const bytes = Buffer.alloc(size);
    let done = 0;
    while (done < size) {
      const count = readSync(descriptor, bytes, done, size - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.toString("utf8", 0, done);
  } finally {
    closeSync(descriptor);
  }
}
