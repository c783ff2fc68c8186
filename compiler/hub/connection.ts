import { pause, RETRIES, type Retries } from "./client.js";
import { networkError, protocolError } from "./errors.js";
import type { RemoteFile } from "./remote.js";

/** Milliseconds without a byte after which a connection is dead. */
export const STALL = 60_000;

/** The connection ended early. */
export class Cut extends Error {}

interface Transfer {
  readonly place: string;
  /** All that is to come. */
  readonly bytes: number;
  /** What has come. */
  done(): number;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: Retries | undefined;
}

/** Receives again until all is here. Throws TRITC_E_HUB_NETWORK where several connections in turn bring nothing. */
export async function untilDone(
  { place, bytes, done, signal, retries }: Transfer,
  receive: () => Promise<void>,
): Promise<void> {
  const { attempts, firstWait } = retries ?? RETRIES;
  for (let failures = 0; done() < bytes; ) {
    const before = done();
    try {
      await receive();
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      signal?.throwIfAborted();
      failures = done() > before ? 1 : failures + 1;
      if (failures >= attempts) {
        throw networkError({
          message: "the download breaks off again and again",
          place,
          expected: `${bytes} bytes`,
          found: `${done()}: ${error.message}`,
          cause: error.cause,
        });
      }
      await pause(firstWait * 2 ** (failures - 1), signal);
    }
  }
}

/** Where a file lies on the hub. */
export function addressOf(endpoint: string, name: string, commit: string, path: string): string {
  return `${endpoint}/${name}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** What the hub says of a file when it is asked for it, held against its list. */
export function checkHeaders(
  headers: Headers,
  { hash, bytes }: RemoteFile,
  commit: string,
  place: string,
): void {
  const etag = headers.get("x-linked-etag")?.replace(/^W\/|"/g, "");
  const size = headers.get("x-linked-size");
  const of = headers.get("x-repo-commit");
  const differs = [
    [etag, hash],
    [size ?? undefined, String(bytes)],
    [of ?? undefined, commit],
  ].find(([found, listed]) => found !== undefined && found !== listed);
  if (differs === undefined) return;
  throw protocolError({
    message: "the hub says two things of a file",
    place,
    expected: `${differs[1]}, as it lists it`,
    found: differs[0] ?? "",
    remedy: "run the command again; if it stays so, report it to the hub",
  });
}
