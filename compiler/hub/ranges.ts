import { TritcError } from "../../ir/errors.js";
import type { ByteSpan } from "../sparse-files.js";
import { type HubRequest, reasonOf } from "./client.js";
import { addressOf, Cut, checkHeaders, STALL, untilDone } from "./connection.js";
import type { DownloadOptions } from "./download.js";
import { protocolError } from "./errors.js";
import type { RemoteFile } from "./remote.js";

/** Parts of files do not do: the message says why. */
export class NotByRanges extends Error {}

/** A file that ranges come of. */
export interface RangeSource {
  readonly file: RemoteFile;
  /** Where the hub sent for it last. */
  address?: URL | undefined;
}

/**
 * Receives a range of a file, and writes it where it belongs. A hash is one of the whole: what comes is held against the hub's list by
 * the file's hash and size as headers have them. Throws NotByRanges where the server sends whole files, TRITC_E_HUB and the
 * client's errors.
 */
export async function fetchRange(
  source: RangeSource,
  { begin, end }: ByteSpan,
  write: (bytes: Uint8Array, offset: number) => Promise<void>,
  options: DownloadOptions,
): Promise<void> {
  const { name, commit, signal, onBytes } = options;
  const { file } = source;
  const place = `${name}/${file.path}`;
  let at = begin;
  const transfer = { ...options, place, bytes: end - begin, done: () => at - begin };
  await untilDone(transfer, async () => {
    const stalled = new AbortController();
    const response = await ask(source, options, {
      headers: { range: `bytes=${at}-${end - 1}` },
      signal: stalled.signal,
      onRedirect: (headers) => checkHeaders(headers, file, commit, place),
    });
    const timer = setTimeout(() => stalled.abort(new Error(`no byte in ${STALL / 1000} s`)), STALL);
    try {
      checkHeaders(response.headers, file, commit, place);
      checkRange(response, file, { begin: at, end }, place);
      for await (const chunk of chunksOf(response, signal)) {
        timer.refresh();
        if (chunk.length > end - at) throw notTheRange(place, { begin, end }, "more bytes");
        await write(chunk, at);
        at += chunk.length;
        onBytes(chunk.length);
      }
    } finally {
      clearTimeout(timer);
      // Ends the connection where there is more to come.
      stalled.abort();
    }
    if (at < end) throw new Cut("the connection ended");
  });
}

/** Asks where the hub sent last time, and the hub itself where that is refused: such addresses run out. */
async function ask(source: RangeSource, options: DownloadOptions, request: HubRequest): Promise<Response> {
  const { client, endpoint, name, commit } = options;
  if (source.address !== undefined) {
    try {
      return await client.bytes(source.address, request);
    } catch (error) {
      if (!(error instanceof TritcError) || error.code === "TRITC_E_HUB_NETWORK") throw error;
    }
  }
  const response = await client.bytes(new URL(addressOf(endpoint, name, commit, source.file.path)), request);
  source.address = new URL(response.url);
  return response;
}

/** The bytes of an answer. Throws Cut where they end early, and the signal's reason. */
async function* chunksOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    signal?.throwIfAborted();
    throw new Cut(reasonOf(error), { cause: error });
  }
}

function checkRange({ status, headers }: Response, file: RemoteFile, span: ByteSpan, place: string): void {
  if (status !== 206) throw new NotByRanges("the server sends whole files alone");
  const range = headers.get("content-range") ?? "";
  const encoding = headers.get("content-encoding") ?? "identity";
  const isRange = new RegExp(`^bytes ${span.begin}-${span.end - 1}/(?:${file.bytes}|\\*)$`).test(range);
  if (!isRange) throw notTheRange(place, span, range);
  if (encoding !== "identity") throw notTheRange(place, span, `bytes encoded as ${encoding}`);
}

function notTheRange(place: string, { begin, end }: ByteSpan, found: string): Error {
  return protocolError({
    message: "the answer is not the part of the file that was asked for",
    place,
    expected: `bytes ${begin}-${end - 1}`,
    found: found === "" ? "no range" : found,
  });
}
