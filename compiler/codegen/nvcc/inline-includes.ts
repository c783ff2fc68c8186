import { TritcError } from "../../../ir/errors.js";

const INCLUDE = /^[ \t]*#[ \t]*include\b[ \t]*(.*)$/;

/**
 * Puts the text of each `#include "cuda/….cuh"` in place, the first time it is named, so that the source needs no
 * other file. `read` gives a file's text. Throws TRITC_E_TEMPLATE for an include of any other form and for
 * files that cannot be read.
 */
export function inlineIncludes(source: string, place: string, read: (path: string) => string): string {
  const seen = new Set<string>();
  const inline = (text: string, from: string): string[] =>
    text.split("\n").flatMap((line) => {
      const target = INCLUDE.exec(line)?.[1]?.trim();
      if (target === undefined) return [line];
      const path = /^"(cuda\/[\w./-]+\.cuh)"$/.exec(target)?.[1];
      if (path === undefined) throw fault(from, `#include ${target}`);
      if (seen.has(path)) return [];
      seen.add(path);
      const body = readOrThrow(read, path, from).replace(/^#pragma once\n+/m, "");
      return [`// ${path}`, ...inline(body.trimEnd(), `templates/${path}`), `// end of ${path}`];
    });
  return inline(source, place).join("\n");
}

function readOrThrow(read: (path: string) => string, path: string, from: string): string {
  try {
    return read(path);
  } catch (cause) {
    throw fault(from, path, cause);
  }
}

function fault(place: string, found: string, cause?: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_TEMPLATE",
    message: "a kernel includes what cannot be put into its source",
    place,
    expected: '#include "cuda/<name>.cuh", a file below templates/',
    found,
    remedy: "this is a defect of the template",
    cause,
  });
}
