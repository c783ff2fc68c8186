import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TritcError } from "../../ir/errors.js";

/**
 * Opens a file for reading that is a file, wherever links lead: what a pipe or a device gives has no end that anybody knows,
 * and opening one may wait forever. Throws TRITC_E_FILE_READ, and what the operating system reports.
 */
export async function openRegular(path: string): Promise<FileHandle> {
  // Waits for nobody at the other end of a pipe. Windows has neither.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const info = await file.stat();
  if (info.isFile()) return file;
  await file.close();
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

/** The bytes of a file of at most `most`. Throws TRITC_E_FILE_READ, and what the operating system reports. */
export async function readRegular(path: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
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
    const bytes = new Uint8Array(size);
    const read = await readInto(file, bytes, 0);
    return read === size ? bytes : bytes.slice(0, read);
  } finally {
    await file.close();
  }
}

/** Fills `bytes` from an offset on; returns how many there were. */
export async function readInto(file: FileHandle, bytes: Uint8Array, offset: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
