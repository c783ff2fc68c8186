import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { bundleFileError, checkBundleFile, type FileDigest } from "../../ir/format/bundle-file.js";
import { MANIFEST_FILE, type Manifest, type ManifestFile, parseManifest } from "../../ir/format/manifest.js";
import { MOST_METADATA_BYTES, openRegular, readRegularText } from "../regular-file.js";

/** A bundle's files as its manifest lists them. Each is held against its size and hash before it is used. */
export class ListedFiles {
  readonly manifest: Manifest;

  constructor(private readonly folder: string) {
    const path = join(folder, MANIFEST_FILE);
    this.manifest = parseManifest(readRegularText(path, MOST_METADATA_BYTES), path);
  }

  /** The text of a file. Throws TRITC_E_BUNDLE_FILE. */
  text(path: string): string {
    const file = this.#listed(path);
    try {
      const text = readRegularText(join(this.folder, path), MOST_METADATA_BYTES);
      checkBundleFile(digestOf(text), file, this.folder);
      return text;
    } catch (error) {
      throw this.#explain(error, path);
    }
  }

  /** Hashes files that are read piece by piece later, all of them if none are named. Throws TRITC_E_BUNDLE_FILE. */
  async check(paths: readonly string[] = this.manifest.files.map(({ path }) => path)): Promise<void> {
    for (const path of paths) {
      const file = this.#listed(path);
      try {
        checkBundleFile(await digestFile(join(this.folder, path)), file, this.folder);
      } catch (error) {
        throw this.#explain(error, path);
      }
    }
  }

  #explain(error: unknown, path: string): unknown {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const isMissing = code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR";
    return isMissing ? bundleFileError(this.folder, path, "is missing", {}) : error;
  }

  #listed(path: string): ManifestFile {
    const file = this.manifest.files.find((listed) => listed.path === path);
    if (file === undefined) throw bundleFileError(this.folder, path, "is not in the manifest", {});
    return file;
  }
}

/** Size and hash of a file. Throws what the operating system reports. */
export async function digestFile(path: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  const stream = createReadStream(path, { fd: openRegular(path), start: 0 });
  await pipeline(stream, hash);
  return { bytes: stream.bytesRead, sha256: hash.digest("hex") };
}

function digestOf(text: string): FileDigest {
  const bytes = Buffer.from(text);
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
