import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { type FileLook, firstLook, lookAt } from "../first-looks.js";
import { packageVersion } from "../version.js";
import type { PackedLayout } from "./weights-file.js";

/** A file that weights are read from, as it was when the work began. */
interface SourceFile extends FileLook {
  readonly path: string;
}

/** What is made from a model's files: its weight file, or a part of the way there. */
export class PackSource {
  readonly #files: readonly SourceFile[];
  /** SHA-256 of all that the bytes of the result depend on: files, recipes, layout, version. */
  readonly identity: string;

  private constructor(files: readonly SourceFile[], identity: string) {
    this.#files = files;
    this.identity = identity;
  }

  /** Of a weight file. Throws TRITC_E_SOURCE_CHANGED if a file is not what it was when the model was imported. */
  static of({ header, tensors }: PackedLayout): PackSource {
    return PackSource.from([header, ...tensors.flatMap(({ tensor }) => [tensor.encoding, tensor.constant])]);
  }

  /** Of other work: what is made from constants, words and further files. Throws as `of` does. */
  static from(parts: readonly (string | Uint8Array | Constant)[], files: readonly string[] = []): PackSource {
    const paths = new Set(files.map((path) => resolve(path)));
    const hash = createHash("sha256").update(packageVersion());
    for (const part of parts) {
      const isConstant = typeof part === "object" && "source" in part;
      hash.update(isConstant ? recipeText(part, paths) : part);
    }
    const looks = [...paths].sort().map((path) => ({ path, ...firstLook(path) }));
    hash.update(JSON.stringify(looks));
    const source = new PackSource(looks, hash.digest("hex"));
    source.check();
    return source;
  }

  /** Throws TRITC_E_SOURCE_CHANGED if a file is not what it was. */
  check(): void {
    for (const file of this.#files) {
      const now = lookAt(file.path);
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
