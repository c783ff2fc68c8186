import { statSync } from "node:fs";
import type { Constant } from "../../ir/constant/constant.js";
import { headerLength, parseMixedHeader, type SafetensorsHeader } from "../../ir/format/safetensors.js";
import { type FileReader, fileReader } from "../file-reader.js";

/** Tensors by name, as constants that name their bytes; nothing of them is read. */
export interface StoredTensors {
  readonly constants: ReadonlyMap<string, Constant>;
  /** Types of the tensors that cannot be read: a refusal where one of them is needed. */
  readonly unread: ReadonlyMap<string, string>;
}

/** Names of all tensors, those that cannot be read included. */
export function* namesOf({ constants, unread }: StoredTensors): Generator<string> {
  yield* constants.keys();
  yield* unread.keys();
}

/** The tensors under other names, without those that have none. */
export function renamed(
  { constants, unread }: StoredTensors,
  rename: (name: string) => string | undefined,
): StoredTensors {
  const each = <T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> => {
    const out = new Map<string, T>();
    for (const [name, value] of map) {
      const to = rename(name);
      if (to !== undefined) out.set(to, value);
    }
    return out;
  };
  return { constants: each(constants), unread: each(unread) };
}

/**
 * The header of a safetensors file, which may hold types that are not read. Throws TRITC_E_SAFETENSORS,
 * TRITC_E_FILE_READ and the file system's errors.
 */
export function readHeader(file: string, reader: FileReader): SafetensorsHeader {
  const { size } = statSync(file);
  const length = headerLength(reader.read(file, 0, Math.min(8, size)), size, file);
  return parseMixedHeader(reader.read(file, 0, 8 + length), size, file);
}

/** As `readHeader`, where nothing else is read of the file now. */
export function headerOf(file: string): SafetensorsHeader {
  const reader = fileReader();
  try {
    return readHeader(file, reader);
  } finally {
    reader.close();
  }
}

/** The tensors of a file. */
export function storedTensors(file: string): StoredTensors {
  const { entries, unread } = headerOf(file);
  const constants = new Map<string, Constant>();
  for (const { name, dtype, shape, offset, length } of entries.values()) {
    constants.set(name, { dtype, shape, source: { kind: "file", file, offset, length } });
  }
  return { constants, unread };
}
