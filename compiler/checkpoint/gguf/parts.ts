import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ggufError } from "./errors.js";
import { type GgufHeader, readGgufHeader } from "./header.js";

/** What llama.cpp's gguf-split calls the parts of a model. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;
const NUMBER = "split.no";
const COUNT = "split.count";

/** Headers of all the parts of the model that a file belongs to, which lie beside it: the file's own if it is alone. */
export function* partsOf(header: GgufHeader): Generator<GgufHeader, void> {
  const { file, metadata } = header;
  const count = metadata.get(COUNT) ?? 1;
  if (count === 0 || count === 1) {
    yield header;
    return;
  }
  const [, stem = "", , total = ""] = PART.exec(basename(file)) ?? [];
  if (Number(total) !== count) {
    throw ggufError({
      place: `${file}: ${COUNT}`,
      message: "the file is a part of a model, and its name does not say where the others are",
      expected: `a name that ends in -00001-of-${String(count).padStart(5, "0")}.gguf`,
      found: basename(file),
      remedy: "give all parts the names that they were published under",
    });
  }
  for (let i = 0; i < count; i++) {
    const path = join(dirname(file), `${stem}-${String(i + 1).padStart(5, "0")}-of-${total}.gguf`);
    if (!existsSync(path)) {
      throw ggufError({
        place: path,
        message: "a part of the model is missing",
        expected: `${count} parts beside each other`,
        remedy: "download the missing file into the folder",
      });
    }
    const part = readGgufHeader(path);
    if (part.metadata.get(NUMBER) !== i || part.metadata.get(COUNT) !== count) {
      throw ggufError({
        place: `${path}: ${NUMBER}`,
        message: "the file is another part than its name says",
        expected: `${i} of ${count}`,
        found: `${part.metadata.get(NUMBER)} of ${part.metadata.get(COUNT)}`,
        remedy: "download the parts again",
      });
    }
    yield part;
  }
}
