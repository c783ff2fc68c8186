import type { GgufCursor } from "./cursor.js";
import { ggufError } from "./errors.js";

/** What a key says, as far as it is kept: lists, and texts longer than this, are passed over. */
export type GgufValue = number | bigint | boolean | string | null;
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

const MOST_TEXT_BYTES = 4096;
const MOST_KEY_BYTES = 1 << 16;
/** Lists of lists. */
const MOST_DEPTH = 4;

interface NumberType {
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => number | bigint | boolean;
}

const TEXT = 8;
const LIST = 9;
/** By the format's number of the type. */
const NUMBERS: ReadonlyMap<number, NumberType> = new Map([
  [0, { bytes: 1, get: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, get: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, get: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, get: (view, at) => view.getInt16(at, true) }],
  [4, { bytes: 4, get: (view, at) => view.getUint32(at, true) }],
  [5, { bytes: 4, get: (view, at) => view.getInt32(at, true) }],
  [6, { bytes: 4, get: (view, at) => view.getFloat32(at, true) }],
  [7, { bytes: 1, get: (view, at) => view.getUint8(at) !== 0 }],
  [10, { bytes: 8, get: (view, at) => view.getBigUint64(at, true) }],
  [11, { bytes: 8, get: (view, at) => view.getBigInt64(at, true) }],
  [12, { bytes: 8, get: (view, at) => view.getFloat64(at, true) }],
] satisfies [number, NumberType][]);

/** `count` keys with what they say. */
export function readMetadata(cursor: GgufCursor, count: number): GgufMetadata {
  cursor.require(count, "keys", 13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = cursor.string(MOST_KEY_BYTES, "a key");
    const value = readValue(cursor, cursor.u32(), key);
    if (metadata.has(key)) {
      throw ggufError({ place: `${cursor.file}: ${key}`, message: "the header has a key twice" });
    }
    metadata.set(key, value);
  }
  return metadata;
}

function readValue(cursor: GgufCursor, type: number, key: string): GgufValue {
  if (type === LIST) {
    skipList(cursor, key, 1);
    return null;
  }
  if (type === TEXT) {
    const start = cursor.at;
    const length = cursor.u64("bytes of a text");
    if (length > MOST_TEXT_BYTES) {
      cursor.skip(length, "bytes of a text");
      return null;
    }
    cursor.at = start;
    return cursor.string(MOST_TEXT_BYTES, "a text");
  }
  const { bytes, get } = numberType(cursor, type, key);
  return cursor.number(bytes, get);
}

function skipList(cursor: GgufCursor, key: string, depth: number): void {
  const type = cursor.u32();
  const count = cursor.u64("elements of a list");
  if (type === TEXT) {
    cursor.require(count, "texts", 8);
    for (let i = 0; i < count; i++) cursor.skip(cursor.u64("bytes of a text"), "bytes of a text");
    return;
  }
  if (type === LIST && depth < MOST_DEPTH) {
    cursor.require(count, "lists", 12);
    for (let i = 0; i < count; i++) skipList(cursor, key, depth + 1);
    return;
  }
  const { bytes } = numberType(cursor, type, key);
  cursor.require(count, "elements", bytes);
  cursor.skip(count * bytes, "bytes of a list");
}

function numberType(cursor: GgufCursor, type: number, key: string): NumberType {
  const found = NUMBERS.get(type);
  if (found !== undefined) return found;
  throw ggufError({
    place: `${cursor.file}: ${key}`,
    message:
      type === LIST ? "lists in the header are nested too deeply" : "the key has a value of an unknown type",
    expected: type === LIST ? `at most ${MOST_DEPTH} levels` : "a type from 0 to 12",
    found: `${type}`,
  });
}
