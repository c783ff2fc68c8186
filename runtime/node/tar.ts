import { TritcError } from "../../ir/errors.js";

const BLOCK = 512;

/**
 * The regular files of a ustar archive, by name (POSIX.1-1988 header: name 100 bytes at 0, size 12 octal digits
 * at 124, type flag at 156). Throws where an entry reaches past the archive's end.
 *
 * @param place what the archive is called in an error
 */
export function readTar(archive: Uint8Array, place: string): ReadonlyMap<string, Uint8Array> {
  const text = new TextDecoder("latin1");
  const field = (start: number, length: number): string =>
    text.decode(archive.subarray(start, start + length)).replace(/\0[\s\S]*$/, "");
  const files = new Map<string, Uint8Array>();
  // Two zero blocks end an archive; an empty name is the first of them.
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const name = field(at, 100);
    const digits = field(at + 124, 12).trim();
    const size = Number.parseInt(digits, 8);
    const begin = at + BLOCK;
    if (!/^[0-7]+$/.test(digits) || begin + size > archive.length) {
      throw new TritcError({
        code: "TRITC_E_SWIFTSHADER_DAMAGED",
        message: `the archive is damaged at its entry "${name}"`,
        place,
        expected: `a size of at most ${archive.length - begin} bytes`,
        found: digits,
        remedy: "reinstall the package that holds it",
      });
    }
    const type = archive[at + 156];
    if (type === 0 || type === 0x30) files.set(name, archive.subarray(begin, begin + size));
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
