import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { syncFolder } from "../atomic-file.js";
import { FileLock, LockHeldError } from "../bundle/lock.js";
import type { CachedRepository } from "./cache.js";
import { type HubClient, pause, type Retries, reasonOf } from "./client.js";
import { addressOf, Cut, checkHeaders, STALL, untilDone } from "./connection.js";
import { protocolError } from "./errors.js";
import type { RemoteFile } from "./remote.js";

export interface DownloadOptions {
  readonly client: HubClient;
  readonly endpoint: string;
  readonly name: string;
  readonly commit: string;
  readonly repository: CachedRepository;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: Retries | undefined;
  onNotice(text: string): void;
  /** Told how many more bytes are here; negative where some have to come again. */
  onBytes(count: number): void;
}

/** Milliseconds between two looks whether another process is done. */
const LOOK = 300;
const CHUNK = 1 << 20;

/**
 * The file that holds what there is of a blob. Other tools call theirs `<hash>.incomplete`, and would write into this one at
 * the same time.
 */
export function partialPath(blob: string): string {
  return `${blob}.tritc.incomplete`;
}

/**
 * Brings a file's bytes into the cache, going on with what an earlier process left; of several processes one at a time.
 * The blob appears when its hash is right. Throws TRITC_E_HUB, TRITC_E_HUB_HASH and the client's errors.
 */
export async function downloadBlob(file: RemoteFile, options: DownloadOptions): Promise<void> {
  const { repository, onBytes } = options;
  const blob = repository.blob(file.hash);
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(repository.locks, { recursive: true });
  const lock = await lockFor(file, options);
  try {
    if ((await sizeOf(blob)) === file.bytes) {
      onBytes(file.bytes);
      return;
    }
    const partial = partialPath(blob);
    const isResumed = ((await sizeOf(partial)) ?? 0) > 0;
    let found = await fill(partial, file, options);
    // What an earlier process left may be torn.
    if (found !== file.hash && isResumed) {
      onBytes(-file.bytes);
      await rm(partial, { force: true });
      found = await fill(partial, file, options);
    }
    if (found !== file.hash) {
      await rm(partial, { force: true });
      throw new TritcError({
        code: "TRITC_E_HUB_HASH",
        message: "the downloaded file is not the one that the hub lists",
        place: `${options.name}/${file.path}`,
        expected: file.hash,
        found,
        remedy: "run the command again; behind a proxy, check that it passes files on unchanged",
      });
    }
    await finish(partial, blob, file.bytes);
  } finally {
    await lock.release();
  }
}

/** Another machine that shares the folder may have been faster: the bytes are the same. */
async function finish(partial: string, blob: string, bytes: number): Promise<void> {
  try {
    await rename(partial, blob);
    await syncFolder(dirname(blob));
  } catch (error) {
    if ((await sizeOf(blob)) !== bytes) throw error;
  }
}

async function lockFor(file: RemoteFile, options: DownloadOptions): Promise<FileLock> {
  const path = `${options.repository.locks}/${file.hash}.tritc`;
  for (let isTold = false; ; ) {
    try {
      return await FileLock.take(path);
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error;
      if (!isTold) options.onNotice(`process ${error.pid} downloads ${file.path}: waiting for it`);
      isTold = true;
    }
    await pause(LOOK, options.signal);
  }
}

/** Fills a partial file, and gives the hash of its bytes. It stays where that fails. */
async function fill(partial: string, file: RemoteFile, options: DownloadOptions): Promise<string> {
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT);
  try {
    if ((await handle.stat()).size > file.bytes) await handle.truncate(0);
    const writer = new Writer(handle, file, options.onBytes);
    await writer.readBack(options.signal);
    const place = `${options.name}/${file.path}`;
    await untilDone({ ...options, place, bytes: file.bytes, done: () => writer.done }, () =>
      receive(writer, file, options),
    );
    await handle.sync();
    return writer.digest();
  } finally {
    await handle.close();
  }
}

/** A file that fills from its beginning, and the hash of what it holds so far. */
class Writer {
  #done = 0;
  #hash: Hash;

  constructor(
    private readonly handle: FileHandle,
    private readonly file: RemoteFile,
    private readonly onBytes: (count: number) => void,
  ) {
    this.#hash = hashOf(file);
  }

  get done(): number {
    return this.#done;
  }

  /** Takes what the file holds already for done. */
  async readBack(signal: AbortSignal | undefined): Promise<void> {
    const chunk = Buffer.alloc(CHUNK);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await this.handle.read(chunk, 0, CHUNK, this.#done);
      if (bytesRead === 0) return;
      this.#count(chunk.subarray(0, bytesRead));
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    await writeAt(this.handle, chunk, this.#done);
    this.#count(chunk);
  }

  /** Begins again: whoever sends takes no wishes where to begin. */
  restart(): void {
    this.onBytes(-this.#done);
    this.#done = 0;
    this.#hash = hashOf(this.file);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  #count(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#done += chunk.length;
    this.onBytes(chunk.length);
  }
}

/** Writes all bytes. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const at = offset + written;
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at);
    written += bytesWritten;
  }
}

function hashOf({ hash, bytes }: RemoteFile): Hash {
  return hash.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);
}

/** One connection's share of the bytes. Throws Cut where it ends early. */
async function receive(writer: Writer, file: RemoteFile, options: DownloadOptions): Promise<void> {
  const { client, endpoint, name, commit, signal } = options;
  const { downloadFile } = await import("@huggingface/hub");
  const place = `${name}/${file.path}`;
  const from = writer.done;
  const stalled = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let begins = 0;
  let failure: unknown;
  // The library's request goes through our client. The stream that it makes of one keeps of an error the message alone.
  const request: typeof fetch = async (input, init) => {
    try {
      const response = await client.bytes(new URL(String(input)), {
        ...(init?.headers && { headers: init.headers }),
        signal: stalled.signal,
        onRedirect: (headers) => checkHeaders(headers, file, commit, place),
      });
      checkHeaders(response.headers, file, commit, place);
      begins = beginningOf(response, from, file, place);
      timer = setTimeout(() => stalled.abort(new Error(`no byte in ${STALL / 1000} s`)), STALL);
      return response;
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  const blob = await downloadFile({
    repo: name,
    path: file.path,
    hubUrl: endpoint,
    xet: false,
    fetch: request,
    downloadInfo: { size: file.bytes, etag: file.hash, url: addressOf(endpoint, name, commit, file.path) },
  });
  if (blob === null) throw protocolError({ message: "the hub has no such file", place });
  const reader = blob.slice(from, file.bytes).stream().getReader();
  const next = () =>
    reader.read().catch((error) => {
      signal?.throwIfAborted();
      if (failure !== undefined) throw failure;
      const cause = stalled.signal.aborted ? stalled.signal.reason : error;
      throw new Cut(reasonOf(cause), { cause });
    });
  try {
    for (let chunk = await next(); !chunk.done; chunk = await next()) {
      timer?.refresh();
      if (writer.done === from && begins < from) writer.restart();
      if (writer.done + chunk.value.length > file.bytes) {
        throw protocolError({
          message: "the file is larger than the hub lists it",
          place,
          expected: `${file.bytes} bytes`,
          found: "more",
        });
      }
      await writer.write(chunk.value);
      signal?.throwIfAborted();
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
  if (writer.done < file.bytes) throw new Cut("the connection ended");
}

/** The offset of an answer's first byte: the wanted one, or 0. Throws TRITC_E_HUB. */
function beginningOf(response: Response, wanted: number, { bytes }: RemoteFile, place: string): number {
  const range = response.headers.get("content-range");
  const length = response.headers.get("content-length");
  const type = response.headers.get("content-type") ?? "";
  const begins = response.status === 206 ? wanted : 0;
  const isRange =
    response.status !== 206 || new RegExp(`^bytes ${wanted}-\\d+/(?:${bytes}|\\*)$`).test(range ?? "");
  // A length is of what was sent; encoded bytes are others.
  const isPlain = /^(?:identity)?$/.test(response.headers.get("content-encoding") ?? "");
  const isLength = length === null || !isPlain || Number(length) === bytes - begins;
  if (isRange && isLength && response.body !== null) return begins;
  void response.body?.cancel();
  throw protocolError({
    message: type.startsWith("text/html")
      ? "there is a page in the place of a file"
      : "the answer is not the file",
    place,
    expected: `${bytes - begins} bytes from ${begins}`,
    found: response.body === null ? "no bytes" : (range ?? `${length ?? "some"} bytes`),
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

/** Bytes of a blob that are here, whole or not. */
export async function partialSize(blob: string): Promise<number> {
  return (await sizeOf(blob)) ?? (await sizeOf(partialPath(blob))) ?? 0;
}
