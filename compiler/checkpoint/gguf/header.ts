import { statSync } from "node:fs";
import { fileReader } from "../../file-reader.js";
import { GgufCursor } from "./cursor.js";
import { ggufError } from "./errors.js";
import { type GgufMetadata, readMetadata } from "./metadata.js";

/** A tensor as the header has it. */
export interface GgufEntry {
  readonly name: string;
  /** The format's number of its kind. */
  readonly kind: number;
  /** Outermost axis first; the file has them the other way round. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** Byte of the file at which its data begin, and at which the next tensor's do, or the file ends. */
  readonly offset: number;
  readonly next: number;
}

export interface GgufHeader {
  readonly file: string;
  readonly metadata: GgufMetadata;
  /** In the order of their data. */
  readonly entries: readonly GgufEntry[];
  /** Data begin at multiples of so many bytes. */
  readonly alignment: number;
}

const VERSIONS = [2, 3];
const MOST_NAME_BYTES = 1024;
/** The format's own limit. */
const MOST_DIMENSIONS = 4;
const ALIGNMENT = "general.alignment";

/** Reads a header; nothing else of the file. Throws TRITC_E_GGUF, and what the file system reports. */
export function readGgufHeader(file: string): GgufHeader {
  const reader = fileReader();
  try {
    return headerAt(new GgufCursor(file, statSync(file).size, reader));
  } finally {
    reader.close();
  }
}

function headerAt(cursor: GgufCursor): GgufHeader {
  const { file, size } = cursor;
  cursor.skip(4, "bytes of the signature");
  checkVersion(cursor.u32(), file);
  const tensors = cursor.u64("tensors");
  const metadata = readMetadata(cursor, cursor.u64("keys"));
  cursor.require(tensors, "tensors", 24);
  const found: Omit<GgufEntry, "next">[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensors; i++) {
    const entry = readEntry(cursor);
    if (names.has(entry.name)) {
      throw ggufError({ place: `${file}: ${entry.name}`, message: "the file has two tensors of one name" });
    }
    names.add(entry.name);
    found.push(entry);
  }
  const alignment = alignmentOf(metadata, file);
  const start = Math.ceil(cursor.at / alignment) * alignment;
  const entries = found
    .map((entry) => ({ ...entry, offset: start + entry.offset }))
    .sort((a, b) => a.offset - b.offset);
  for (const { name, offset } of entries) {
    if (offset % alignment === 0 && offset <= size) continue;
    throw ggufError({
      place: `${file}: ${name}`,
      message: "the tensor's data lie where none can",
      expected: `a multiple of ${alignment} up to ${size}`,
      found: `byte ${offset}`,
    });
  }
  const next = (i: number) => entries[i + 1]?.offset ?? size;
  return { file, metadata, entries: entries.map((entry, i) => ({ ...entry, next: next(i) })), alignment };
}

function checkVersion(version: number, file: string): void {
  if (VERSIONS.includes(version)) return;
  // A big-endian file's version has its bytes in the other order.
  const isSwapped = version !== 0 && (version & 0xffff) === 0;
  throw ggufError({
    place: file,
    message: "the file is of a version of GGUF that is not read",
    expected: `version ${VERSIONS.join(" or ")}, little-endian`,
    found: isSwapped ? "a big-endian file" : `version ${version}`,
    remedy: "convert the model again with a current tool",
  });
}

function alignmentOf(metadata: GgufMetadata, file: string): number {
  const alignment = metadata.get(ALIGNMENT) ?? 32;
  if (typeof alignment === "number" && alignment % 8 === 0 && alignment > 0 && alignment <= 1 << 20) {
    return alignment;
  }
  throw ggufError({
    place: `${file}: ${ALIGNMENT}`,
    message: "data cannot be aligned so",
    expected: "a multiple of 8 up to 2^20",
    found: `${alignment}`,
  });
}

/** Its offset is still one from the start of the data. */
function readEntry(cursor: GgufCursor): Omit<GgufEntry, "next"> {
  const name = cursor.string(MOST_NAME_BYTES, "a tensor's name");
  const place = `${cursor.file}: ${name}`;
  const count = cursor.u32();
  if (count > MOST_DIMENSIONS) {
    throw ggufError({
      place,
      message: "the tensor has too many dimensions",
      expected: `at most ${MOST_DIMENSIONS}`,
      found: `${count}`,
    });
  }
  const shape = Array.from({ length: count }, () => cursor.u64(`a dimension of ${name}`)).reverse();
  const elements = shape.reduce((product, d) => product * d, 1);
  if (!Number.isSafeInteger(elements * 64)) {
    throw ggufError({
      place,
      message: "the tensor's size overflows",
      expected: "less than 2^53 bits",
      found: `[${shape.join(", ")}]`,
    });
  }
  return { name, kind: cursor.u32(), shape, elements, offset: cursor.u64(`the offset of ${name}`) };
}
