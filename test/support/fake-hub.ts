import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What was asked, and by whom. */
export interface Asked {
  /** `hub`, or `store`: the other host, which has the bytes of large files. */
  readonly host: "hub" | "store";
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, asked: Asked) => boolean;

export interface FakeRepository {
  /** Bytes by path. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Commit by branch or tag; main has the default one. */
  readonly refs?: Readonly<Record<string, string>>;
  /** The only token that may read it; its licence was accepted with it. */
  readonly gated?: string;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
/** Files from this size on are stored elsewhere, under their SHA-256. */
const LARGE = 1000;
const PAGE = 4;

/**
 * A server that speaks the hub's protocol: revisions, listings in pages, files with their hashes, large ones on another host.
 * `answer` may answer a request in its place: it then returns true.
 */
export class FakeHub {
  readonly asked: Asked[] = [];
  answer: Answer = () => false;
  #hub!: Server;
  #store!: Server;

  private constructor(private readonly repositories: Readonly<Record<string, FakeRepository>>) {}

  static async open(repositories: Readonly<Record<string, FakeRepository>>): Promise<FakeHub> {
    const hub = new FakeHub(repositories);
    hub.#hub = await listening((request, response) => hub.#serve("hub", request, response));
    hub.#store = await listening((request, response) => hub.#serve("store", request, response));
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  /** What `HF_ENDPOINT` and its like say to use this hub and a cache of one's own. */
  env(home: string): Record<string, string> {
    return { HF_ENDPOINT: this.endpoint, HF_HOME: home };
  }

  /** Makes this process's environment that of the hub and of a cache in `home`, until `leave`; answers and requests begin anew. */
  enter(home: string): void {
    Object.assign(process.env, this.env(home));
    this.answer = () => false;
    this.asked.length = 0;
  }

  leave(): void {
    for (const name of ["HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE"]) delete process.env[name];
  }

  /** Paths that were asked for since the last call. */
  taken(): string[] {
    return this.asked.splice(0).map(({ host, path, range }) => `${host} ${path}${range ? ` ${range}` : ""}`);
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #serve(host: Asked["host"], request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams } = new URL(request.url ?? "", this.endpoint);
    const { range, authorization } = request.headers;
    const asked: Asked = { host, path: decodeURIComponent(path), range, authorization };
    this.asked.push(asked);
    if (this.answer(request, response, asked)) return;
    if (host === "store") this.#bytes(asked, response);
    else this.#hubs(asked, Number(searchParams.get("cursor") ?? 0), response);
  }

  #hubs({ path, range, authorization }: Asked, cursor: number, response: ServerResponse): void {
    const match =
      /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(path) ??
      /^\/([^/]+\/[^/]+)\/(resolve)\/(.+)$/.exec(path);
    const [, name = "", verb, rest = ""] = match ?? [];
    const repository = this.repositories[name];
    const gated = repository?.gated;
    const refs = Object.entries({ main: COMMIT, ...repository?.refs });
    const sha = refs.find((ref) => ref.includes(rest))?.[1];
    if (repository === undefined) refuse(response, 401, "RepoNotFound", "Repository not found");
    // Who may not read its files still sees which there are.
    else if (verb === "resolve" && gated !== undefined && authorization !== `Bearer ${gated}`)
      refuse(response, authorization === undefined ? 401 : 403, "GatedRepo", "Access is restricted");
    else if (verb === "resolve") this.#resolve(repository, rest, range, response);
    else if (sha === undefined) refuse(response, 404, "RevisionNotFound", "Invalid rev id");
    else if (verb === "revision") json(response, { _id: "1", id: name, sha, gated: false });
    else this.#tree(name, repository, sha, cursor, response);
  }

  #tree(name: string, { files }: FakeRepository, sha: string, from: number, response: ServerResponse): void {
    const entries: object[] = [
      { type: "directory", path: "transformer", oid: gitHash(Buffer.of()), size: 0 },
      ...Object.entries(files).map(([path, content]) => entryOf(path, content)),
    ];
    const next = from + PAGE;
    if (next < entries.length) {
      const url = `${this.endpoint}/api/models/${name}/tree/${sha}?recursive=true&cursor=${next}`;
      response.setHeader("link", `<${url}>; rel="next"`);
    }
    json(response, entries.slice(from, next));
  }

  #resolve(
    { files, refs }: FakeRepository,
    rest: string,
    range: string | undefined,
    response: ServerResponse,
  ): void {
    const slash = rest.indexOf("/");
    const [revision, path] = [rest.slice(0, slash), rest.slice(slash + 1)];
    const content = files[path];
    response.setHeader("x-repo-commit", { main: COMMIT, ...refs }[revision] ?? revision);
    if (content === undefined) {
      refuse(response, 404, "EntryNotFound", "Entry not found");
      return;
    }
    const bytes = bytesOf(content);
    if (bytes.length < LARGE) {
      response.setHeader("etag", `"${gitHash(bytes)}"`);
      send(response, bytes, range);
      return;
    }
    const hash = blobName(content);
    response.setHeader("x-linked-etag", `"${hash}"`);
    response.setHeader("x-linked-size", bytes.length);
    response.writeHead(302, { location: `${addressOf(this.#store)}/${hash}` }).end();
  }

  #bytes({ path, range }: Asked, response: ServerResponse): void {
    const all = Object.values(this.repositories).flatMap(({ files }) => Object.values(files));
    const found = all.find((content) => `/${blobName(content)}` === path);
    if (found === undefined) response.writeHead(404).end();
    else send(response, bytesOf(found), range);
  }
}

/** The bytes, or those of a text. */
function bytesOf(content: string | Uint8Array): Buffer {
  if (typeof content === "string") return Buffer.from(content);
  return Buffer.from(content.buffer, content.byteOffset, content.length);
}

const names = new Map<string | Uint8Array, string>();

/** What the cache calls a file of these bytes, which nobody changes. */
export function blobName(content: string | Uint8Array): string {
  const bytes = bytesOf(content);
  const name = names.get(content) ?? (bytes.length < LARGE ? gitHash(bytes) : sha256(bytes));
  names.set(content, name);
  return name;
}

function entryOf(path: string, content: string | Uint8Array): object {
  const [size, oid] = [bytesOf(content).length, blobName(content)];
  if (size < LARGE) return { type: "file", path, size, oid };
  return { type: "file", path, size, oid: "f".repeat(40), lfs: { oid, size, pointerSize: 130 } };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function gitHash(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.setHeader("x-error-code", code);
  response.setHeader("x-error-message", message);
  response.writeHead(status).end(JSON.stringify({ error: message }));
}

/** Bytes, or the range of them that was asked for. */
export function send(response: ServerResponse, bytes: Buffer, range: string | undefined): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  if (from === undefined) {
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(from), Number(to) + 1);
  const header = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  response.writeHead(206, { "content-length": part.length, "content-range": header }).end(part);
}

async function listening(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
