import { TritcError } from "../ir/errors.js";

/** What the operating system's error names mean for a user, and what to try. */
const MEANINGS: Readonly<Record<string, readonly [message: string, remedy: string]>> = {
  ENOENT: ["there is no such file or folder", "check the path"],
  EACCES: ["permission denied", "check who owns it"],
  EPERM: ["operation not permitted", "check who owns it"],
  EEXIST: ["is a file where a folder was expected", "choose another path"],
  ENOSPC: ["the disk is full", "free some space and run the command again"],
  EDQUOT: ["the disk quota is used up", "free some space and run the command again"],
  EFBIG: ["the file is larger than the file system allows", "choose another file system"],
  EIO: ["the disk reports an error", "check the disk and run the command again"],
  EISDIR: ["is a folder where a file was expected", "give the path of a file"],
  ENOTDIR: ["is a file where a folder was expected", "check the path"],
  ENAMETOOLONG: ["the path is too long", "choose a shorter one"],
  ELOOP: ["symbolic links lead in a circle", "check the path"],
  EROFS: ["the file system is read-only", "choose another place"],
  EMFILE: ["too many open files", "raise the limit (ulimit -n)"],
  ENFILE: ["too many open files in the system", "close some programs"],
  ERR_FS_FILE_TOO_LARGE: ["the file is too large to read at once", "check that it is the right file"],
};

/** An error of the operating system in a user's words, or undefined for anything else. `place`: if it names no path. */
export function describeSystemError(error: unknown, place?: string): TritcError | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  const meaning = MEANINGS[error.code];
  if (meaning === undefined) return undefined;
  const path = "path" in error && typeof error.path === "string" ? error.path : place;
  const [message, remedy] = meaning;
  return new TritcError({
    code: "TRITC_E_SYSTEM",
    message,
    ...(path === undefined ? {} : { place: path }),
    found: error.message,
    remedy,
    cause: error,
  });
}
