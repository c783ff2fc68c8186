/** The text in PNG files: chunks before the pixels, which are left as they are. */
import { TritcError } from "../../ir/errors.js";

/** Keyword to text: `prompt`, `seed`, `steps`, `guidance`, `bundle`, ... Keywords are printable ASCII, 1 to 79 characters. */
export type PngMetadata = Readonly<Record<string, string>>;

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
export const SIGNATURE_BYTES = SIGNATURE.length;
/** Length, type and checksum around a chunk's data. */
export const CHUNK_OVERHEAD = 12;
const PLAIN_TEXT = /^[\x20-\x7e\n\xa1-\xff]*$/;
const KEYWORD = /^[\x21-\x7e](?:[\x20-\x7e]{0,77}[\x21-\x7e])?$/;

const TEXT_CHUNKS: ReadonlySet<string> = new Set(["tEXt", "iTXt"]);

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  /** Type and data: what the checksum is of. */
  readonly checked: Buffer;
  readonly checksum: number;
}

/** A tEXt chunk, or an uncompressed iTXt one (no language, no translation, UTF-8) where Latin-1 is not enough. */
export function textChunk(keyword: string, value: string): Uint8Array {
  if (!KEYWORD.test(keyword)) {
    throw pngError("a metadata keyword is not allowed", "1 to 79 printable ASCII characters", keyword);
  }
  const data = PLAIN_TEXT.test(value)
    ? Buffer.from(`tEXt${keyword}\0${value}`, "latin1")
    : Buffer.from(`iTXt${keyword}\0\0\0\0\0${value}`, "utf8");
  const chunk = Buffer.alloc(data.length + 8);
  chunk.writeUInt32BE(data.length - 4, 0);
  chunk.set(data, 4);
  chunk.writeUInt32BE(crc32(data), data.length + 4);
  return chunk;
}

/** The chunks after the signature, as far as they are whole. */
function* chunksOf(bytes: Uint8Array): Generator<Chunk> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = SIGNATURE_BYTES;
  while (at + CHUNK_OVERHEAD <= file.length) {
    const end = at + CHUNK_OVERHEAD + file.readUInt32BE(at);
    if (end > file.length) return;
    const checked = file.subarray(at + 4, end - 4);
    const type = checked.toString("latin1", 0, 4);
    yield { type, data: checked.subarray(4), checked, checksum: file.readUInt32BE(end - 4) };
    at = end;
  }
}

/** The text of tEXt and uncompressed iTXt chunks, of which the latter count more. */
export function readText(bytes: Uint8Array): PngMetadata {
  const plain: Record<string, string> = {};
  const international: Record<string, string> = {};
  for (const { type, data } of chunksOf(bytes)) {
    const keywordEnd = data.indexOf(0);
    if (keywordEnd < 1) continue;
    const keyword = data.toString("latin1", 0, keywordEnd);
    if (type === "tEXt") plain[keyword] = data.toString("latin1", keywordEnd + 1);
    if (type !== "iTXt") continue;
    const languageEnd = data.indexOf(0, keywordEnd + 3);
    const translationEnd = data.indexOf(0, languageEnd + 1);
    const compressed = data[keywordEnd + 1] !== 0;
    if (languageEnd < 0 || translationEnd < 0 || compressed) continue;
    international[keyword] = data.toString("utf8", translationEnd + 1);
  }
  return { ...plain, ...international };
}

/**
 * The text of a file that is a PNG from signature to end, without a look at the pixels, which takes a hundred times as long.
 * Undefined for any other, and for one whose text is damaged.
 */
export function readWholeText(bytes: Uint8Array): PngMetadata | undefined {
  if (!SIGNATURE.equals(bytes.subarray(0, SIGNATURE_BYTES))) return undefined;
  let size = SIGNATURE_BYTES;
  let last = "";
  for (const { type, checked, checksum } of chunksOf(bytes)) {
    if (TEXT_CHUNKS.has(type) && crc32(checked) !== checksum) return undefined;
    size += CHUNK_OVERHEAD + checked.length - 4;
    last = type;
  }
  return last === "IEND" && size === bytes.length ? readText(bytes) : undefined;
}

/** CRC-32 of the PNG specification, annex D: polynomial 0xEDB88320, reflected. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export function pngError(message: string, expected: string, found: string, place?: string): TritcError {
  return new TritcError({
    code: "TRITC_E_PNG",
    message,
    ...(place === undefined ? {} : { place }),
    expected,
    found,
    remedy: "check the picture or its metadata",
  });
}
