import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { packageVersion } from "../version.js";
import type { PackedLayout } from "./weights-file.js";

/** A file that weights are read from, as it was when the work began. */
interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  /** Which file it is, when it was written to, and when anything of it was changed last, which nobody can set back. */
  readonly changed: string;
}

/** What a weight file is made from. */
export class PackSource {
  readonly #files: readonly SourceFile[];
  /** SHA-256 of all that the bytes of the weight file depend on: files, recipes, layout, version. */
  readonly identity: string;

  private constructor(files: readonly SourceFile[], identity: string) {
    this.#files = files;
    this.identity = identity;
  }

  static async of(layout: PackedLayout): Promise<PackSource> {
    const paths = new Set<string>();
    const hash = createHash("sha256").update(packageVersion()).update(layout.header);
    for (const { tensor } of layout.tensors) {
      hash.update(tensor.encoding).update(recipeText(tensor.constant, paths));
    }
    const files = await Promise.all([...paths].sort().map(lookAt));
    hash.update(JSON.stringify(files));
    return new PackSource(files, hash.digest("hex"));
  }

  /** Throws TRITC_E_SOURCE_CHANGED if a file is not what it was. */
  async check(): Promise<void> {
    for (const file of this.#files) {
      const now = await lookAt(file.path);
      if (now.bytes === file.bytes && now.changed === file.changed) continue;
      throw new TritcError({
        code: "TRITC_E_SOURCE_CHANGED",
        message: "the model's file was changed while it was compiled",
        place: file.path,
        expected: `${file.bytes} bytes, unchanged`,
        found: `${now.bytes} bytes${now.changed === file.changed ? "" : ", written to since"}`,
        remedy: "wait until nothing writes to the file any more, then run the command again",
      });
    }
  }
}

/** Sizes below zero stand for a file that is gone. */
async function lookAt(path: string): Promise<SourceFile> {
  try {
    const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return { path, bytes: Number(size), changed: `${ino} ${mtimeNs} ${ctimeNs}` };
  } catch {
    return { path, bytes: -1, changed: "" };
  }
}

/** A recipe as text, with the hash of what it holds in memory; adds the files it reads to `paths`. */
function recipeText(constant: Constant, paths: Set<string>): string {
  return JSON.stringify(constant, (key, value: unknown) => {
    if (value instanceof Uint8Array) return createHash("sha256").update(value).digest("hex");
    if (typeof value === "bigint") return `${value}n`;
    if (key !== "file" || typeof value !== "string") return value;
    const path = resolve(value);
    paths.add(path);
    return path;
  });
}
