import { setTimeout as delay } from "node:timers/promises";
import { packageVersion } from "../version.js";
import { networkError, protocolError, refusal } from "./errors.js";
import type { HubSettings } from "./settings.js";

/** How often a request that may succeed later is made, and how long it waits before the second; each wait doubles. */
export interface Retries {
  readonly attempts: number;
  /** Milliseconds. */
  readonly firstWait: number;
}

export interface HubRequest {
  readonly headers?: RequestInit["headers"];
  readonly signal?: AbortSignal | undefined;
  /** Sees the headers of each redirect: what the hub knows of a file it says there. */
  onRedirect?(headers: Headers): void;
}

export interface HubClient {
  /** A `fetch` for answers in JSON: whole, bounded, and JSON. Nothing but what is good comes back. */
  readonly json: typeof fetch;
  /** The answer with a file's bytes, from wherever the hub sends for them. */
  bytes(url: URL, request: HubRequest): Promise<Response>;
}

export interface ClientOptions extends Pick<HubSettings, "endpoint" | "token"> {
  /** The page of what is asked for, which messages name. */
  readonly page: string;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: Retries | undefined;
  /** Told what takes longer than one expects, and why. */
  onNotice(text: string): void;
}

export const RETRIES: Retries = { attempts: 5, firstWait: 1000 };
/** Milliseconds that a server may ask to wait; beyond, somebody should be told. */
const LONGEST_WAIT = 300_000;
/** Milliseconds until a server begins to answer. */
const PATIENCE = 60_000;
/** Attempts to reach somebody who does not seem to be there. */
const MOST_CALLS = 3;
const MOST_HOPS = 10;
/** A listing of a thousand files has some hundred kilobytes. */
const MOST_JSON_BYTES = 1 << 26;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Requests as the hub wants them: the token goes to the hub's own origin, and to nobody that it redirects to; what is
 * over https never goes on without; what found no answer, 408, 429 and 5xx is tried again, after the time that the server
 * names. Throws TRITC_E_HUB, TRITC_E_HUB_ACCESS, TRITC_E_HUB_NOT_FOUND and TRITC_E_HUB_NETWORK.
 */
export function hubClient(options: ClientOptions): HubClient {
  const { endpoint, token, page, signal, onNotice, retries = RETRIES } = options;
  const { origin } = new URL(endpoint);
  const agent = `tritc/${packageVersion()}; node/${process.versions.node}`;

  async function follow(address: URL, request: HubRequest): Promise<Response> {
    let url = address;
    for (let hops = 0; hops <= MOST_HOPS; hops++) {
      const headers = new Headers(request.headers);
      headers.set("user-agent", agent);
      // Sizes and ranges are those of the file.
      headers.set("accept-encoding", "identity");
      headers.delete("authorization");
      if (token !== undefined && url.origin === origin) headers.set("authorization", `Bearer ${token}`);
      const response = await begin(url, headers, [signal, request.signal]);
      if (!REDIRECTS.has(response.status)) return response;
      request.onRedirect?.(response.headers);
      await response.body?.cancel();
      url = targetOf(response.headers.get("location"), url);
    }
    throw protocolError({
      message: "the hub redirects in a circle",
      place: address.href,
      found: `more than ${MOST_HOPS} redirects`,
    });
  }

  /** The answer as `read` gives it, after as many attempts as it takes. */
  async function send<T>(
    url: URL,
    request: HubRequest,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let wait = retries.firstWait * 2 ** (attempt - 1);
      let failed: Failed;
      try {
        const response = await follow(url, request);
        if (response.ok) return await read(response);
        await response.body?.cancel();
        const { status, statusText } = response;
        if (status !== 408 && status !== 429 && status < 500) {
          throw refusal(response, page, token !== undefined);
        }
        wait = askedWait(response.headers.get("retry-after")) ?? wait;
        failed = new Failed(`${status} ${statusText}`.trim());
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        failed = error;
      }
      const isTooLong = wait > LONGEST_WAIT;
      const most = failed.isUnreachable ? Math.min(MOST_CALLS, retries.attempts) : retries.attempts;
      if (attempt >= most || isTooLong) {
        throw networkError({
          message: isTooLong ? "the hub asks to wait longer than this" : "the hub gives no answer",
          place: page,
          found: isTooLong ? `${failed.message}, again in ${Math.ceil(wait / 1000)} s` : failed.message,
          cause: failed.cause,
        });
      }
      if (wait >= 2000)
        onNotice(`${url.host}: ${failed.message}; trying again in ${Math.ceil(wait / 1000)} s`);
      await pause(wait, signal);
    }
  }

  return {
    bytes: (url, request) => send(url, request, async (response) => response),
    json: (input, init) =>
      send(
        new URL(input instanceof Request ? input.url : input),
        { ...(init?.headers && { headers: init.headers }) },
        async (response) => {
          const text = await boundedText(response, page);
          if (isJson(text)) return new Response(text, { headers: response.headers });
          throw protocolError({
            message: "the hub's answer is not JSON",
            place: response.url,
            expected: "JSON",
            found: /^\s*</.test(text) ? "a page, as of a proxy that wants a login" : text.slice(0, 60),
          });
        },
      ),
  };
}

/** A request that got no answer, or one that may be better later. */
class Failed extends Error {
  /** Whether nobody is there: who waits for long waits for nothing. */
  get isUnreachable(): boolean {
    return /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH)\b/.test(this.message);
  }
}

/** Waits; throws the signal's reason where that comes first. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch((error) => {
    signal?.throwIfAborted();
    throw error;
  });
}

/** `fetch`, given up where no answer begins. Throws Failed. */
async function begin(
  url: URL,
  headers: Headers,
  signals: readonly (AbortSignal | undefined)[],
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer in ${PATIENCE / 1000} s`)), PATIENCE);
  const given = signals.filter((signal) => signal !== undefined);
  try {
    return await fetch(url, {
      headers,
      redirect: "manual",
      signal: AbortSignal.any([late.signal, ...given]),
    });
  } catch (cause) {
    for (const signal of given) signal.throwIfAborted();
    throw new Failed(reasonOf(cause), { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** Where a redirect leads. Throws TRITC_E_HUB where none may go there. */
function targetOf(location: string | null, from: URL): URL {
  const to =
    location !== null && URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const isSafe = to?.protocol === "https:" || (to?.protocol === "http:" && from.protocol === "http:");
  if (to !== undefined && isSafe && to.username === "" && to.password === "") return to;
  throw protocolError({
    message: "the hub redirects to where nothing should go",
    place: from.href,
    expected: `an ${from.protocol === "https:" ? "https" : "http or https"} address`,
    found: location ?? "no address",
  });
}

/** undici says "fetch failed"; what failed is its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, message } = error;
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  if (cause instanceof Error) return reasonOf(cause);
  return message || ("code" in error ? String(error.code) : error.name);
}

/** Milliseconds that `Retry-After` names: seconds, or a date. */
function askedWait(header: string | null): number | undefined {
  if (header === null) return undefined;
  const time = /^\d+$/.test(header.trim()) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return Number.isFinite(time) ? Math.max(0, time) : undefined;
}

/** All of an answer. Throws Failed where it is cut, TRITC_E_HUB where it has no end. */
async function boundedText(response: Response, page: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > MOST_JSON_BYTES) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new Failed(reasonOf(cause), { cause });
  }
  if (length <= MOST_JSON_BYTES) return Buffer.concat(chunks).toString("utf8");
  throw protocolError({
    message: "the hub's answer is larger than any listing",
    place: page,
    expected: `at most ${MOST_JSON_BYTES} bytes`,
    found: "more",
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
