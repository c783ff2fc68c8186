import { decodeBytes, encodeBytes } from "../constant/convert.js";
import { byteLength, DTYPE_BITS, type DType } from "../dtype.js";
import { printable, TritcError } from "../errors.js";
import { countOf, type Tensor } from "../tensor.js";
import { JsonNumber, type JsonValue, parseStrictJson } from "./strict-json.js";

/**
 * The safetensors format without file access: u64 header length, JSON header, data. The rules checked here are
 * the format's own (safetensors `tensor.rs`) and some that close its gaps: no duplicate keys, no unknown
 * fields, no offset a double cannot hold.
 */
const MAX_HEADER_BYTES = 100_000_000;

/** Spelling in the file → dtype. */
const DTYPES: ReadonlyMap<string, DType> = new Map([
  ["F64", "f64"],
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
  ["F8_E4M3", "f8e4m3"],
  ["F8_E5M2", "f8e5m2"],
  ["I64", "i64"],
  ["U64", "u64"],
  ["I32", "i32"],
  ["U32", "u32"],
  ["I16", "i16"],
  ["U16", "u16"],
  ["I8", "i8"],
  ["U8", "u8"],
  ["BOOL", "bool"],
]);
/** Bits of an element of the format's types that are not read. */
const UNREAD_BITS: ReadonlyMap<string, number> = new Map([
  ["C64", 64],
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F4", 4],
]);
const SPELLINGS: ReadonlyMap<DType, string> = new Map([...DTYPES].map(([name, dtype]) => [dtype, name]));

export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface SafetensorsHeader {
  /** In the order of the data. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** Tensors of a type that is not read, by name, with the type as the file spells it. */
  readonly unread: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
  /** First byte of the data: 8 + header length. */
  readonly dataStart: number;
}

function refuse(place: string | undefined, message: string, expected?: string, found?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_SAFETENSORS",
    message,
    ...(place === undefined ? {} : { place }),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    remedy: "the file is damaged or was not written by a safetensors library; download or export it again",
  });
}

/** Length of the JSON header from the first 8 bytes of a file of `fileSize` bytes, checked before anything is read. */
export function headerLength(bytes: Uint8Array, fileSize: number, place?: string): number {
  if (fileSize < 8 || bytes.length < 8) {
    throw refuse(
      place,
      "the file is too short for a header",
      "at least 8 bytes",
      `${Math.min(fileSize, bytes.length)} bytes`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw refuse(place, "the header is too large", `at most ${MAX_HEADER_BYTES} bytes`, `${length} bytes`);
  }
  if (8 + Number(length) > fileSize) {
    throw refuse(
      place,
      "the header runs past the end of the file",
      `at most ${fileSize - 8} bytes`,
      `${length} bytes`,
    );
  }
  return Number(length);
}

/**
 * Checks and decodes a header. `bytes` is the start of the file, at least up to the end of the header;
 * `fileSize` the size of the whole file. `place` (a file name) is for messages. Every tensor's type has to be one that
 * is read.
 */
export function parseHeader(bytes: Uint8Array, fileSize: number, place?: string): SafetensorsHeader {
  const header = parseMixedHeader(bytes, fileSize, place);
  for (const [name, spelling] of header.unread) throw unreadType(tensorPlace(name, place), spelling);
  return header;
}

/** The same of a file that may hold other things than what is asked of it, in types that are not read. */
export function parseMixedHeader(bytes: Uint8Array, fileSize: number, place?: string): SafetensorsHeader {
  const length = headerLength(bytes, fileSize, place);
  const dataStart = 8 + length;
  if (bytes.length < dataStart) {
    throw refuse(place, "the header is cut off", `${dataStart} bytes`, `${bytes.length} bytes`);
  }
  const root = parseText(bytes.subarray(8, dataStart), place);
  const stored: StoredEntry[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of root) {
    // MLX writes null where there is none, which the reference reader takes.
    if (name === "__metadata__") metadata = value === null ? metadata : metadataOf(value, place);
    else stored.push(entryOf(name, value, dataStart, place));
  }
  stored.sort((a, b) => a.offset - b.offset || a.length - b.length);
  checkLayout(stored, dataStart, fileSize, place);
  const entries = new Map<string, SafetensorsEntry>();
  const unread = new Map<string, string>();
  for (const { dtype, spelling, ...entry } of stored) {
    if (dtype === undefined) unread.set(entry.name, spelling);
    else entries.set(entry.name, { ...entry, dtype });
  }
  return { entries, unread, metadata, dataStart };
}

interface StoredEntry extends Omit<SafetensorsEntry, "dtype"> {
  /** Undefined: not read. */
  readonly dtype: DType | undefined;
  readonly spelling: string;
}

function tensorPlace(name: string, place: string | undefined): string {
  return `${place === undefined ? "" : `${place}: `}tensor ${name}`;
}

/** What a tensor of a type that is not read is refused with where it is needed. */
export function unreadType(place: string, spelling: string): TritcError {
  return new TritcError({
    code: "TRITC_E_SAFETENSORS",
    message: "the tensor is of a type that is not read",
    place,
    expected: "BF16, F16 or F32 weights, or 8-bit floats (F8_E4M3, F8_E5M2)",
    found: spelling,
    remedy: "use the file of the original weights in bfloat16",
  });
}

function parseText(bytes: Uint8Array, place: string | undefined): ReadonlyMap<string, JsonValue> {
  if (bytes[0] !== 0x7b) throw refuse(place, "the header does not start with '{'");
  let value: JsonValue;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = parseStrictJson(text);
  } catch (error) {
    throw refuse(
      place,
      `the header is not valid JSON: ${printable(error instanceof Error ? error.message : "")}`,
    );
  }
  if (!isObject(value)) throw refuse(place, "the header is not a JSON object");
  return value;
}

function isObject(value: JsonValue): value is ReadonlyMap<string, JsonValue> {
  return value instanceof Map;
}

function metadataOf(value: JsonValue, place: string | undefined): ReadonlyMap<string, string> {
  if (!isObject(value)) throw refuse(place, "__metadata__ is not an object of strings");
  const out = new Map<string, string>();
  for (const [key, item] of value) {
    if (typeof item !== "string") {
      throw refuse(place, `__metadata__ has a value that is not a string: ${printable(key)}`);
    }
    out.set(key, item);
  }
  return out;
}

function entryOf(name: string, value: JsonValue, dataStart: number, place: string | undefined): StoredEntry {
  const where = tensorPlace(name, place);
  if (!isObject(value)) throw refuse(where, "the entry is not an object");
  for (const key of value.keys()) {
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets") {
      throw refuse(where, "the entry has an unknown field", "dtype, shape, data_offsets", key);
    }
  }
  const given = value.get("dtype");
  const spelling = typeof given === "string" ? given : "none";
  const dtype = DTYPES.get(spelling);
  const elementBits = dtype === undefined ? UNREAD_BITS.get(spelling) : DTYPE_BITS[dtype];
  if (elementBits === undefined) {
    throw refuse(where, "unknown dtype", [...DTYPES.keys()].join(", "), spelling);
  }
  const shape = indices(value.get("shape"));
  if (shape === undefined) throw refuse(where, "shape is not a list of whole numbers in [0, 2^53)");
  const offsets = indices(value.get("data_offsets"));
  const [begin, end] = offsets ?? [];
  if (offsets?.length !== 2 || begin === undefined || end === undefined) {
    throw refuse(where, "data_offsets is not a pair of whole numbers in [0, 2^53)");
  }
  if (begin > end) throw refuse(where, "data_offsets run backwards", "begin <= end", `${begin}, ${end}`);
  let bits = elementBits;
  for (const d of shape) {
    bits *= d;
    if (!Number.isSafeInteger(bits))
      throw refuse(where, "the size overflows", "less than 2^53 bits", `[${shape.join(", ")}]`);
  }
  if (end - begin !== bits / 8) {
    throw refuse(
      where,
      "the data does not have the size of its shape",
      `${bits / 8} bytes`,
      `${end - begin} bytes`,
    );
  }
  return { name, dtype, spelling, shape, offset: dataStart + begin, length: end - begin };
}

function indices(value: JsonValue | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const out: number[] = [];
  for (const item of value as readonly JsonValue[]) {
    const index = item instanceof JsonNumber ? item.toIndex() : undefined;
    if (index === undefined) return undefined;
    out.push(index);
  }
  return out;
}

/** Data is contiguous from the header to the end of the file. */
function checkLayout(
  entries: readonly StoredEntry[],
  dataStart: number,
  fileSize: number,
  place: string | undefined,
) {
  let at = dataStart;
  for (const entry of entries) {
    if (entry.offset !== at) {
      const what = entry.offset > at ? "a hole before" : "an overlap at";
      throw refuse(
        place,
        `${what} tensor ${printable(entry.name)}`,
        `offset ${at - dataStart}`,
        `${entry.offset - dataStart}`,
      );
    }
    at += entry.length;
  }
  if (at !== fileSize) {
    throw refuse(
      place,
      at > fileSize ? "the data is cut off" : "bytes after the last tensor",
      `${at} bytes`,
      `${fileSize} bytes`,
    );
  }
}

/** The tensor of an entry from its bytes; 16-bit floats are widened to f32 values. May share memory with `bytes`. */
export function entryTensor(entry: SafetensorsEntry, bytes: Uint8Array): Tensor {
  if (bytes.length !== entry.length) {
    throw refuse(entry.name, "wrong number of bytes", `${entry.length}`, `${bytes.length}`);
  }
  return {
    dtype: entry.dtype,
    shape: entry.shape,
    data: decodeBytes(entry.dtype, bytes, countOf(entry.shape)),
  };
}

/** All tensors of a file in memory. */
export function parseSafetensors(file: Uint8Array, place?: string): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of parseHeader(file, file.length, place).entries) {
    tensors.set(name, entryTensor(entry, file.subarray(entry.offset, entry.offset + entry.length)));
  }
  return tensors;
}

export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * Header bytes for tensors to be written one after the other in the given order, padded with spaces so that
 * the data starts at a multiple of 8 bytes.
 */
export function encodeHeader(
  specs: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  // Members are joined by hand: an object literal would reorder whole-number names and swallow `__proto__`.
  const members: string[] = [];
  const keys = Object.keys(metadata);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    members.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  const seen = new Set(["__metadata__"]);
  let at = 0;
  for (const { name, dtype, shape } of specs) {
    const spelling = SPELLINGS.get(dtype);
    if (spelling === undefined)
      throw refuse(name, "this dtype has no place in the format", [...SPELLINGS.keys()].join(", "), dtype);
    if (seen.has(name)) throw refuse(name, "two tensors of one name, or a reserved name");
    seen.add(name);
    const end = at + byteLength(dtype, countOf(shape));
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${spelling}","shape":[${shape.join(",")}],"data_offsets":[${at},${end}]}`,
    );
    at = end;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw refuse(
      undefined,
      "the header would be too large",
      `at most ${MAX_HEADER_BYTES} bytes`,
      `${length} bytes`,
    );
  }
  const out = new Uint8Array(8 + length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(json, 8);
  return out;
}

/** A whole file. Tensors are ordered by descending alignment, then name, as the reference writer does. */
export function serialize(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const specs = [...tensors]
    .map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, data }))
    .sort(
      (a, b) => DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    );
  const header = encodeHeader(specs, metadata);
  const parts = specs.map(({ dtype, data }) => encodeBytes(dtype, data));
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, header.length));
  out.set(header);
  let at = header.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
