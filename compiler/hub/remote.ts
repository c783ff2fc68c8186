import { TritcError } from "../../ir/errors.js";
import { isCommit } from "./cache.js";
import type { HubClient } from "./client.js";
import { protocolError } from "./errors.js";
import { isSafePath } from "./reference.js";

/** A file of a repository as the hub lists it. */
export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of large files (LFS), else what Git calls the file: SHA-1 of `blob <bytes>\0` and its bytes. */
  readonly hash: string;
}

export interface RemoteRepository {
  readonly commit: string;
  /** By path. */
  readonly files: ReadonlyMap<string, RemoteFile>;
}

const [GIT, SHA256] = [/^[0-9a-f]{40}$/, /^[0-9a-f]{64}$/];
const MOST_FILES = 100_000;

/** A commit of a repository and all its files. Throws TRITC_E_HUB and the client's errors. */
export async function remoteRepository(
  name: string,
  revision: string,
  {
    endpoint,
    client,
    page,
  }: { readonly endpoint: string; readonly client: HubClient; readonly page: string },
): Promise<RemoteRepository> {
  // Who finds all in the cache does not wait for it to load.
  const { listFiles, modelInfo } = await import("@huggingface/hub");
  const asked = { hubUrl: endpoint, fetch: client.json };
  const { sha } = await understood(page, () =>
    modelInfo({ ...asked, name, revision, additionalFields: ["sha"] }),
  );
  if (typeof sha !== "string" || !isCommit(sha)) {
    throw protocolError({
      message: "the hub names no commit",
      place: page,
      expected: "40 hexadecimal digits",
      found: String(sha),
    });
  }
  const files = new Map<string, RemoteFile>();
  await understood(page, async () => {
    for await (const entry of listFiles({ ...asked, repo: name, revision: sha, recursive: true })) {
      if (entry.type !== "file") continue;
      const file = checked(entry, page);
      if (files.has(file.path) || files.size === MOST_FILES) {
        const found = files.has(file.path) ? `${file.path} twice` : `more than ${MOST_FILES} files`;
        throw protocolError({ message: "the hub's list of files has no end", place: page, found });
      }
      files.set(file.path, file);
    }
  });
  return { commit: sha, files };
}

/** An entry whose every value is what it is used for: its path and hash become paths of this machine. */
function checked(entry: unknown, page: string): RemoteFile {
  const { path, size, oid, lfs } = entry as Readonly<Record<string, unknown>>;
  const large = lfs === undefined || lfs === null ? undefined : (lfs as Readonly<Record<string, unknown>>);
  const hash = large === undefined ? oid : String(large.oid).replace(/^sha256:/, "");
  const bytes = large === undefined ? size : large.size;
  const isHash = typeof hash === "string" && (large === undefined ? GIT : SHA256).test(hash);
  const isSize = typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0 && bytes === size;
  if (typeof path === "string" && isSafePath(path) && isHash && isSize) return { path, bytes, hash };
  throw protocolError({
    message: "the hub lists a file that none can be",
    place: page,
    expected: "a path inside the repository, a size and a hash",
    found: JSON.stringify({ path, size, oid, lfs }).slice(0, 180),
    remedy: "do not use this repository; report it to the hub",
  });
}

/** What the hub's library throws where an answer is JSON of another form. */
async function understood<T>(page: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const isOfForm =
      cause instanceof TypeError || cause instanceof RangeError || cause instanceof SyntaxError;
    if (cause instanceof TritcError || !isOfForm) throw cause;
    throw protocolError({
      message: "the hub's answer is none",
      place: page,
      found: cause.message,
      cause,
    });
  }
}
