import { TritcError } from "../errors.js";
import type { ManifestFile } from "./manifest.js";

/** What a file is: its size, and its SHA-256 in lower-case hexadecimal. */
export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Throws TRITC_E_BUNDLE_FILE unless a bundle's file is what the manifest says; undefined stands for none. */
export function checkBundleFile(found: FileDigest | undefined, file: ManifestFile, place: string): void {
  if (found === undefined) throw bundleFileError(place, file.path, "is missing", {});
  if (found.bytes !== file.bytes) {
    const sizes = { expected: `${file.bytes} bytes`, found: `${found.bytes} bytes` };
    throw bundleFileError(place, file.path, "does not have its size", sizes);
  }
  if (found.sha256 !== file.sha256) {
    const hashes = { expected: `SHA-256 ${file.sha256}`, found: `SHA-256 ${found.sha256}` };
    throw bundleFileError(place, file.path, "was changed after it was written", hashes);
  }
}

export function bundleFileError(
  place: string,
  path: string,
  what: string,
  details: { readonly expected?: string; readonly found?: string },
): TritcError {
  return new TritcError({
    code: "TRITC_E_BUNDLE_FILE",
    message: `the bundle's file ${what}`,
    place: `${place}/${path}`,
    ...details,
    remedy: "copy or download the bundle again, or compile the model again",
  });
}
