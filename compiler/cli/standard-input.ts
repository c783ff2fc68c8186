import { TritcError } from "../../ir/errors.js";
import { headerLength } from "../../ir/format/safetensors.js";
import type { CommonOptions } from "./options.js";
import { usageError } from "./usage-error.js";

/** The name of standard input in messages. */
export const STANDARD_INPUT = "standard input";

/** More text than any tokenizer reads of a prompt. */
export const TEXT_LIMIT = 1 << 20;

/** Standard input as text. Throws TRITC_E_INPUT where it is no UTF-8, or longer than prompts are. */
export async function readStandardText(options: Pick<CommonOptions, "io" | "input">): Promise<string> {
  return decodeText(await collect(standardInput(options), () => TEXT_LIMIT), STANDARD_INPUT);
}

/** Bytes as the text of prompts. Throws TRITC_E_INPUT. */
export function decodeText(bytes: Uint8Array, place: string): string {
  if (bytes.length > TEXT_LIMIT) throw notText(place, `at most ${TEXT_LIMIT} bytes`, "more");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notText(place, "UTF-8", "other bytes");
  }
}

/** The stream of standard input. Throws where a person would have to type it and `--no-input` forbids to wait. */
export function standardInput({ io, input }: Pick<CommonOptions, "io" | "input">): AsyncIterable<Uint8Array> {
  if (input !== false || io.stdin.isTTY !== true) return io.stdin;
  throw usageError({
    message: "standard input is a terminal, and --no-input says not to wait for it",
    remedy: "send a file to standard input, or name it",
  });
}

/** A safetensors file of unknown size. Reading ends soon after the end that its header states, wherever the stream's is. */
export function collectTensors(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let size = 8;
  let isFinal = false;
  return collect(stream, (chunks, length) => {
    if (isFinal || length < size) return size;
    const head = Buffer.concat(chunks);
    if (size === 8) size += headerLength(head, Number.POSITIVE_INFINITY, STANDARD_INPUT);
    if (length < size) return size;
    size = statedSize(head.subarray(0, size));
    isFinal = true;
    return size;
  });
}

/** Size of the file with this header; that of the header where it makes no sense, which whoever parses it will say. */
function statedSize(head: Buffer): number {
  try {
    const entries = Object.values(
      JSON.parse(head.toString("utf8", 8)) as Record<string, { data_offsets?: unknown }>,
    );
    const ends = entries.map(({ data_offsets: offsets }) =>
      Array.isArray(offsets) ? Number(offsets[1]) : 0,
    );
    return head.length + ends.reduce((last, end) => Math.max(last, end || 0), 0);
  } catch {
    return head.length;
  }
}

/** All of a stream, or a little more than the limit, which may depend on what came already. */
async function collect(
  stream: AsyncIterable<Uint8Array>,
  limit: (chunks: readonly Uint8Array[], length: number) => number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit(chunks, length)) break;
  }
  return Buffer.concat(chunks);
}

function notText(place: string, expected: string, found: string): TritcError {
  return new TritcError({
    code: "TRITC_E_INPUT",
    message: "this is not the text of prompts",
    place,
    expected,
    found,
    remedy: "give plain text in UTF-8",
  });
}
