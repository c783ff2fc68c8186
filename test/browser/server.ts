import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

export interface TestServer {
  /** `http://127.0.0.1:port`, without a slash at its end. */
  readonly origin: string;
  /** The body of the next POST request; one that nobody waits for is dropped. */
  nextPost(): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  /** Path prefix, with slashes at both ends → folder. */
  readonly folders: Readonly<Record<string, string>>;
  /** Single files and texts, by path. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
  /** Whether pages are cross-origin isolated. */
  readonly isolated?: boolean;
  /** Content-Security-Policy of every answer. */
  readonly policy?: string;
  /** Status codes to answer with instead, by path. */
  readonly broken?: Readonly<Record<string, number>>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** A static file server on the loopback interface that also takes POST requests. */
export async function startServer(options: TestServerOptions): Promise<TestServer> {
  let waiter: ((body: Uint8Array<ArrayBuffer>) => void) | undefined;
  const server = createServer(async (request, response) => {
    if (options.isolated === true) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    if (options.policy !== undefined) response.setHeader("Content-Security-Policy", options.policy);
    if (request.method === "POST") {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      const body = new Uint8Array(Buffer.concat(chunks));
      response.end();
      waiter?.(body);
      return;
    }
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    const content = options.broken?.[path] === undefined ? await find(path, options) : undefined;
    const type = TYPES[path.endsWith("/") ? ".html" : extname(path)] ?? "application/octet-stream";
    response.writeHead(options.broken?.[path] ?? (content === undefined ? 404 : 200), {
      "content-type": type,
      ...(content === undefined ? {} : { "content-length": Buffer.byteLength(content) }),
    });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    nextPost() {
      return new Promise((resolve) => {
        waiter = resolve;
      });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function find(path: string, options: TestServerOptions): Promise<Uint8Array | string | undefined> {
  const file = options.files?.[path];
  if (file !== undefined) return file;
  const prefix = Object.keys(options.folders).find((p) => path.startsWith(p));
  const folder = prefix === undefined ? undefined : options.folders[prefix];
  if (prefix === undefined || folder === undefined) return undefined;
  const name = join(folder, normalize(`/${path.slice(prefix.length)}`));
  const info = await stat(name).catch(() => undefined);
  return info?.isFile() === true ? readFile(name) : undefined;
}
