import { TritcError } from "../../ir/errors.js";
import type { CachedRepository } from "./cache.js";
import { checkKind } from "./check-kind.js";
import { hubClient, type Retries } from "./client.js";
import { type DownloadOptions, downloadBlob } from "./download.js";
import { protocolError } from "./errors.js";
import type { HubReference, Scope } from "./reference.js";
import { type RemoteFile, type RemoteRepository, remoteRepository } from "./remote.js";
import { type FileTree, selectFiles } from "./select.js";
import type { HubSettings } from "./settings.js";

export interface HubModelOptions {
  /** What the model is for; default: the whole pipeline. */
  readonly scope?: Scope;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: Retries | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Bytes that are here, of all that were to come. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A model of the hub whose small files are in the cache, and what of it is not. */
export interface PreparedModel extends DownloadOptions {
  readonly reference: HubReference;
  readonly remote: RemoteRepository;
  /** Large files that are not here. */
  readonly absent: readonly RemoteFile[];
  /** Counts what comes from now on from zero. */
  expect(total: number): void;
  /** Downloads a file into the cache. */
  bring(file: RemoteFile): Promise<void>;
}

/** Files that are downloaded at the same time. */
const CONNECTIONS = 4;
/** What is read before anything large comes: settings, tokenizers, indices, by name and size. */
const SMALL = /\.(?:json|txt|model|jinja)$/;
const MOST_SMALL_BYTES = 1 << 26;

/**
 * Asks the hub for a model, and downloads what says which files it has and of what kind it is. Throws TRITC_E_HUB_FILES and what
 * `remoteRepository` and `downloadBlob` do.
 */
export async function prepareModel(
  repository: CachedRepository,
  reference: HubReference,
  { endpoint, token }: HubSettings,
  options: HubModelOptions,
): Promise<PreparedModel> {
  const { scope = "pipeline", signal: given, retries, onNotice = () => undefined, onProgress } = options;
  const { name, revision, file } = reference;
  const page = `${endpoint}/${name}`;
  // What one file meets ends the others.
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(given === undefined ? [] : [given])]);
  const client = hubClient({
    endpoint,
    page,
    signal,
    retries,
    onNotice,
    ...(token !== undefined && { token }),
  });
  const remote = await remoteRepository(name, revision, { endpoint, client, page });
  const { commit } = remote;
  let [done, total] = [0, 0];
  const context: DownloadOptions = {
    ...{ client, endpoint, name, commit, repository, signal, retries, onNotice },
    onBytes(count) {
      done += count;
      if (total > 0) onProgress?.(done, total);
    },
  };
  // Files of equal bytes are one.
  const coming = new Map<string, Promise<void>>();
  const come = (wanted: RemoteFile) =>
    coming.get(wanted.hash) ?? remember(coming, wanted.hash, downloadBlob(wanted, context));
  const bring = async (wanted: RemoteFile) => {
    if (repository.sizeOf(commit, wanted.path) === wanted.bytes) return;
    try {
      await come(wanted);
      await repository.place(commit, wanted.path, wanted.hash);
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  };
  const tree = remoteTree(remote, async (path) => {
    const wanted = remoteFile(remote, path, page);
    if (!isSmall(wanted)) throw oversized(page, wanted);
    await bring(wanted);
    return repository.tree(commit).text(path);
  });
  const { files: paths, missing } = await selectFiles(tree, scope, file);
  if (missing.length > 0) throw lackingError(page, remote, missing);
  const files = paths.map((path) => remoteFile(remote, path, page));
  const absent = files.filter(({ path, bytes }) => repository.sizeOf(commit, path) !== bytes);
  const small = absent.filter(isSmall);
  await eachOf(small, bring);
  if (file === undefined) checkKind(repository.snapshot(commit), paths, page);
  return {
    ...context,
    ...{ reference, remote, bring },
    absent: absent.filter((each) => !small.includes(each)),
    expect(bytes) {
      [done, total] = [0, bytes];
    },
  };
}

function isSmall({ path, bytes }: RemoteFile): boolean {
  return SMALL.test(path) && bytes <= MOST_SMALL_BYTES;
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): V {
  map.set(key, value);
  return value;
}

/** The hub's list by folders. */
function remoteTree({ files }: RemoteRepository, text: FileTree["text"]): FileTree {
  const folders = new Map<string, string[]>();
  for (const path of [...files.keys()].sort()) {
    const slash = path.lastIndexOf("/");
    const folder = path.slice(0, Math.max(0, slash));
    const names = folders.get(folder) ?? remember(folders, folder, []);
    names.push(path.slice(slash + 1));
  }
  return { names: (folder) => folders.get(folder) ?? [], text };
}

function remoteFile({ files }: RemoteRepository, path: string, page: string): RemoteFile {
  const file = files.get(path);
  if (file === undefined) throw new RangeError(`${page} lists no ${path}`);
  return file;
}

/** Work on all, a few at a time. Throws what failed first, when all that had begun has ended. */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = CONNECTIONS,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await work(item).catch((error) => {
        queue.length = 0;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function oversized(page: string, { path, bytes }: RemoteFile): TritcError {
  return protocolError({
    message: "the file is too large for settings",
    place: `${page}, ${path}`,
    expected: `at most ${MOST_SMALL_BYTES} bytes`,
    found: `${bytes}`,
    remedy: "use another revision of the repository",
  });
}

function lackingError(page: string, { files }: RemoteRepository, missing: readonly string[]): TritcError {
  const [first = "", ...others] = missing;
  const names = [...files.keys()];
  return new TritcError({
    code: "TRITC_E_HUB_FILES",
    message: "the repository lacks what the compiler reads",
    place: page,
    expected: first,
    found: names.slice(0, 8).join(", ") + (names.length > 8 ? `, and ${names.length - 8} more` : ""),
    others,
    remedy:
      "name a repository in Diffusers' layout with safetensors, or one of its weight files: org/name/file.safetensors",
  });
}
