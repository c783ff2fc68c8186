import { TritcError } from "../../ir/errors.js";
import { type BundleFiles, sha256Hex } from "../bundle.js";
import { Sha256 } from "./sha256.js";

export interface DownloadProgress {
  /** The bundle's file that is being downloaded. */
  readonly path: string;
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes in all, where the server says. */
  readonly total: number | undefined;
}

export interface DownloadOptions {
  /** Called as parts of a file arrive. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops the download: the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Bytes up to which a file is hashed in one piece. */
const SMALL_FILE = 64 * 2 ** 20;

/**
 * A bundle's files on a server. Each is downloaded once and kept as a `Blob`, which browsers hold on disk when it is
 * large: the bytes that were checked are those that are used, and a range of the weights is all that memory holds.
 *
 * @param base absolute URL of the bundle's folder, with a slash at its end
 */
export function urlFiles(base: URL, options: DownloadOptions = {}): BundleFiles {
  const blobs = new Map<string, Promise<Blob | undefined>>();
  const get = (path: string): Promise<Blob | undefined> => {
    let blob = blobs.get(path);
    if (blob === undefined) {
      blob = download(new URL(path.split("/").map(encodeURIComponent).join("/"), base), path, options);
      blobs.set(path, blob);
    }
    return blob;
  };
  return {
    async read(path) {
      const blob = await get(path);
      return blob === undefined ? undefined : new Uint8Array(await blob.arrayBuffer());
    },
    async readRange(path, offset, length) {
      const blob = await get(path);
      if (blob === undefined) throw new RangeError(`${path} was not downloaded`);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    async digest(path) {
      const blob = await get(path);
      return blob === undefined ? undefined : { bytes: blob.size, sha256: await blobSha256(blob) };
    },
  };
}

/** Lower-case hex SHA-256 of a blob; above `small` bytes piece by piece. */
export async function blobSha256(blob: Blob, small = SMALL_FILE): Promise<string> {
  if (blob.size <= small) return sha256Hex(new Uint8Array(await blob.arrayBuffer()));
  const hash = new Sha256();
  for (let at = 0; at < blob.size; at += small) {
    hash.update(new Uint8Array(await blob.slice(at, at + small).arrayBuffer()));
  }
  return hash.finish();
}

/** The file, or undefined where the server has none. */
async function download(
  url: URL,
  path: string,
  { onProgress, signal }: DownloadOptions,
): Promise<Blob | undefined> {
  try {
    // Asks the server whether a cached copy is current: files of two versions would not fit together.
    const response = await fetch(url, { cache: "no-cache", ...(signal === undefined ? {} : { signal }) });
    if (response.status === 404 || response.status === 410) return undefined;
    if (!response.ok) throw fetchError(url, `HTTP status ${response.status} ${response.statusText}`.trim());
    if (onProgress === undefined || response.body === null) return await response.blob();
    const length = response.headers.get("content-length");
    const encoded = response.headers.has("content-encoding");
    const total = length === null || encoded ? undefined : Number(length);
    let loaded = 0;
    const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        loaded += chunk.length;
        onProgress({ path, loaded, total });
        controller.enqueue(chunk);
      },
    });
    return await new Response(response.body.pipeThrough(counted)).blob();
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof TritcError) throw cause;
    throw fetchError(url, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function fetchError(url: URL, found: string, cause?: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_FETCH",
    message: "the file cannot be downloaded",
    place: url.href,
    found,
    remedy: "check the address and the connection; another origin must allow this page (CORS)",
    cause,
  });
}
