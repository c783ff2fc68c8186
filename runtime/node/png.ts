/** PNG files that carry how they were made. Pixels by fast-png, text in chunks before them. */
import { decode, encode } from "fast-png";
import type { TextPadding } from "../../ir/models/text-padding.js";
import { DEFAULT_SAMPLER, type SamplerName } from "../../ir/sampling/rules/index.js";
import type { Picture } from "../pipeline/picture.js";
import { samplesOf } from "./png-samples.js";
import {
  CHUNK_OVERHEAD,
  type PngMetadata,
  pngError,
  readText,
  SIGNATURE_BYTES,
  textChunk,
} from "./png-text.js";

export type { PngMetadata } from "./png-text.js";

export interface DecodedPicture extends Picture {
  readonly metadata: PngMetadata;
}

/** What a generated picture records of itself. */
export interface GenerationRecord {
  readonly prompt: string;
  /** Null where the noise was given. */
  readonly seed: number | bigint | null;
  readonly steps: number;
  /** Null for a model that takes none. */
  readonly guidance: number | null;
  readonly negativePrompt?: string | undefined;
  readonly trueCfgScale?: number | undefined;
  readonly strength?: number | undefined;
  readonly autoResize?: boolean | undefined;
  readonly sampler?: SamplerName | undefined;
  /** Where another than the bundle's was asked for. */
  readonly textLength?: number | undefined;
  /** Where one was asked for. */
  readonly textPadding?: TextPadding | undefined;
  readonly size: string;
  /** SHA-256 of what else was given: latents, control, image, mask. */
  readonly given: Readonly<Record<string, string>>;
  /** SHA-256 of the bundle's manifest, hexadecimal. */
  readonly bundle: string;
}

export function generationMetadata(record: GenerationRecord): PngMetadata {
  return {
    Software: "tritc",
    prompt: record.prompt,
    ...(record.seed === null ? {} : { seed: String(record.seed) }),
    steps: String(record.steps),
    ...(record.sampler === undefined || record.sampler === DEFAULT_SAMPLER
      ? {}
      : { sampler: record.sampler }),
    ...(record.guidance === null ? {} : { guidance: String(record.guidance) }),
    ...(record.negativePrompt === undefined ? {} : { negativePrompt: record.negativePrompt }),
    ...(record.trueCfgScale === undefined ? {} : { trueCfgScale: String(record.trueCfgScale) }),
    ...(record.strength === undefined ? {} : { strength: String(record.strength) }),
    ...(record.autoResize === undefined ? {} : { autoResize: String(record.autoResize) }),
    ...(record.textLength === undefined ? {} : { textLength: String(record.textLength) }),
    ...(record.textPadding === undefined ? {} : { textPadding: record.textPadding }),
    size: record.size,
    ...record.given,
    bundle: record.bundle,
  };
}

/** Signature and IHDR, behind which text stands: readers that stop at the pixels see it. */
const HEAD_BYTES = SIGNATURE_BYTES + CHUNK_OVERHEAD + 13;
/** Where IHDR says whether the picture is interlaced. */
const INTERLACE_AT = HEAD_BYTES - 5;
/** A picture of 16,384 x 8,192, which takes 400 MB as RGB. */
const MOST_PIXELS = 1 << 27;

/** The bytes of an 8-bit RGB PNG with metadata; deterministic. */
export function encodePng(picture: Picture, metadata: PngMetadata = {}): Uint8Array {
  const { rgb, width, height } = picture;
  if (rgb.length !== width * height * 3 || rgb.length === 0) {
    throw pngError("the pixels do not fit the picture", `${width}x${height}x3 bytes`, `${rgb.length} bytes`);
  }
  const text = Object.entries(metadata).map(([keyword, value]) => textChunk(keyword, value));
  const png = encode({ width, height, data: rgb, depth: 8, channels: 3 });
  return Uint8Array.from(Buffer.concat([png.subarray(0, HEAD_BYTES), ...text, png.subarray(HEAD_BYTES)]));
}

/** What becomes of transparency: `white` shines through, or it is left out, as Diffusers' `load_image` does. */
export type Transparency = "white" | "ignored";

/**
 * Reads a PNG of any depth as 8-bit RGB.
 *
 * @throws TritcError `TRITC_E_PNG` if it is not a PNG or is damaged
 */
export function decodePng(bytes: Uint8Array, place = "PNG", behind: Transparency = "white"): DecodedPicture {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > HEAD_BYTES && head.readUInt32BE(16) * head.readUInt32BE(20) > MOST_PIXELS) {
    const found = `${head.readUInt32BE(16)}x${head.readUInt32BE(20)}`;
    throw pngError("the picture is too large", `at most ${MOST_PIXELS} pixels`, found, place);
  }
  let png: ReturnType<typeof decode>;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw pngError("the picture cannot be read", "a PNG file", kindOf(bytes) ?? String(cause), place);
  }
  const { width, height } = png;
  if (png.depth < 8 && bytes[INTERLACE_AT] !== 0) {
    const found = `${png.depth} bits, interlaced`;
    throw pngError("this kind of PNG is not supported", "8 bits a channel, or no interlacing", found, place);
  }
  const { data, channels } = samplesOf(png);
  const rgb = new Uint8Array(width * height * 3);
  const gray = channels < 3;
  const hasAlpha = behind === "white" && channels % 2 === 0;
  for (let i = 0; i < width * height; i++) {
    const alpha = hasAlpha ? (data[i * channels + channels - 1] ?? 0) / 255 : 1;
    for (let c = 0; c < 3; c++) {
      const value = data[i * channels + (gray ? 0 : c)] ?? 0;
      rgb[i * 3 + c] = Math.round(value * alpha + 255 * (1 - alpha));
    }
  }
  return { rgb, width, height, metadata: readText(bytes) };
}

/** What a file that is no PNG is, by its first bytes. */
function kindOf(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\xff\xd8\xff")) return "a JPEG: convert it to PNG";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "a WebP: convert it to PNG" : undefined;
}
