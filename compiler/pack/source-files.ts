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

/** What a weight file is made from. */
export class PackSource {
  readonly #files: readonly SourceFile[];
  /** SHA-256 of all that the bytes of the weight file depend on: files, recipes, layout, version. */
  readonly identity: string;

  private constructor(files: readonly SourceFile[], identity: string) {
    this.#files = files;
    this.identity = identity;
  }

  /** Throws TRITC_E_SOURCE_CHANGED if a file is not what it was when the model was imported. */
  static of(layout: PackedLayout): PackSource {
    const paths = new Set<string>();
    const hash = createHash("sha256").update(packageVersion()).update(layout.header);
    for (const { tensor } of layout.tensors) {
      hash.update(tensor.encoding).update(recipeText(tensor.constant, paths));
    }
    const files = [...paths].sort().map((path) => ({ path, ...firstLook(path) }));
    hash.update(JSON.stringify(files));
    const source = new PackSource(files, hash.digest("hex"));
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
