import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { formatBytes, formatQuantity } from "../units.js";
import { CachedRepository, isCommit } from "./cache.js";
import { checkKind } from "./check-kind.js";
import { hubClient, type Retries } from "./client.js";
import { type DownloadOptions, downloadBlob, partialSize } from "./download.js";
import { protocolError } from "./errors.js";
import { checkReference, type HubReference, type Scope } from "./reference.js";
import { type RemoteFile, type RemoteRepository, remoteRepository } from "./remote.js";
import { type FileTree, MODEL_INDEX, type Selection, selectFiles } from "./select.js";
import type { HubSettings } from "./settings.js";

export { type HubReference, hubReference, type Scope } from "./reference.js";
export { type HubSettings, type HubSettingsRequest, hubSettings } from "./settings.js";

export interface HubModelOptions {
  /** What the model is for; default: the whole pipeline. */
  readonly scope?: Scope;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: Retries | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Bytes that are here, of all that were to come. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A model of the hub that is here. */
export interface HubModel {
  /** The folder, or the one file, that `compileModel` and the others take. */
  readonly path: string;
  readonly commit: string;
  /** Bytes that had to be downloaded. */
  readonly downloaded: number;
}

/** Files that are downloaded at the same time. */
const CONNECTIONS = 4;
/** A pipeline of which nothing is known but what all of them have. */
const UNKNOWN: FileTree = {
  names: (folder) => (folder === "" ? [MODEL_INDEX] : []),
  text: async () =>
    JSON.stringify(
      Object.fromEntries(
        ["scheduler", "text_encoder", "tokenizer", "transformer", "vae"].map((part) => [part, ["", ""]]),
      ),
    ),
};
/** What is read before anything large comes: settings, tokenizers, indices, by name and size. */
const SMALL = /\.(?:json|txt|model|jinja)$/;
const MOST_SMALL_BYTES = 1 << 26;
/** Missing files that a terminal shows. */
const MOST_SHOWN = 40;
/** Bytes that are left free. */
const MARGIN = 1 << 26;

/**
 * A model's files, from Hugging Face's cache where it has all that the compiler reads, else downloaded into it. Throws
 * TRITC_E_HUB_OFFLINE, TRITC_E_HUB_FILES, TRITC_E_HUB_DISK and what `remoteRepository` and `downloadBlob` do.
 */
export async function hubModel(
  reference: HubReference,
  settings: HubSettings,
  options: HubModelOptions = {},
): Promise<HubModel> {
  checkReference(reference);
  const { scope = "pipeline" } = options;
  const { name, revision, file } = reference;
  const repository = new CachedRepository(settings.cache, name);
  const commit = repository.commitOf(revision);
  const here = commit === undefined ? undefined : await localFiles(repository, commit, scope, reference);
  if (commit !== undefined && here !== undefined && here.missing.length === 0) {
    if (here.isSure || settings.offline) {
      if (!here.isSure) options.onNotice?.(`${name}: whether it has a ${MODEL_INDEX} is not known offline`);
      return { path: join(repository.snapshot(commit), file ?? ""), commit, downloaded: 0 };
    }
  }
  if (settings.offline) throw await offlineError(reference, repository, scope, commit, here);
  const { host } = new URL(settings.endpoint);
  const lacks = here === undefined || here.files.length === 0 ? "is not in" : "is not whole in";
  options.onNotice?.(`${name} ${lacks} ${settings.cache}: asking ${host}`);
  return download(repository, reference, settings, options);
}

/** What of a commit is in the cache, and whether more could belong to it. */
async function localFiles(
  repository: CachedRepository,
  commit: string,
  scope: Scope,
  { file }: HubReference,
): Promise<Selection & { readonly isSure: boolean }> {
  const tree = repository.tree(commit);
  const selection = await selectFiles(tree, scope, file);
  // Other tools download a transformer alone.
  const isPart = scope === "pipeline" && file === undefined && !tree.names("").includes(MODEL_INDEX);
  return { ...selection, isSure: !isPart || repository.isKnownMissing(commit, MODEL_INDEX) };
}

async function download(
  repository: CachedRepository,
  reference: HubReference,
  { endpoint, token, cache }: HubSettings,
  options: HubModelOptions,
): Promise<HubModel> {
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
  const large = absent.filter((each) => !small.includes(each));
  const distinct = [...new Map(large.map((each) => [each.hash, each])).values()];
  const left = await bytesLeft(repository, distinct);
  const free = await freeBytes(cache);
  if (left > 0 && left + MARGIN > free) throw diskError(cache, left, free);
  done = 0;
  total = distinct.reduce((sum, { bytes }) => sum + bytes, 0);
  if (left > 0) {
    const what = `${formatQuantity(large.length, "file")}, ${formatBytes(left)}`;
    const at = revision === commit ? "" : ` of ${revision}`;
    onNotice(`${name}: downloading ${what}${at} (commit ${commit.slice(0, 8)}) to ${cache}`);
  }
  await eachOf(large, bring);
  if (!remote.files.has(MODEL_INDEX)) await repository.noteMissing(commit, MODEL_INDEX);
  await repository.noteCommit(revision, commit);
  return { path: join(repository.snapshot(commit), file ?? ""), commit, downloaded: left };
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
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: CONNECTIONS }, worker));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function bytesLeft(repository: CachedRepository, files: readonly RemoteFile[]): Promise<number> {
  let left = 0;
  for (const { hash, bytes } of files)
    left += bytes - Math.min(bytes, await partialSize(repository.blob(hash)));
  return left;
}

/** Bytes free where a folder is, or will be. */
async function freeBytes(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined);
  if (found !== undefined) return found.bavail * found.bsize;
  return dirname(folder) === folder ? Number.POSITIVE_INFINITY : freeBytes(dirname(folder));
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

function diskError(cache: string, left: number, free: number): TritcError {
  return new TritcError({
    code: "TRITC_E_HUB_DISK",
    message: "the disk has no room for the model",
    place: cache,
    expected: `${formatBytes(left)} free`,
    found: formatBytes(free),
    remedy: "free some space, or name another folder: HF_HUB_CACHE or HF_HOME",
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

/** What is missing, as paths; of a model that is not here at all, what a pipeline has. */
async function offlineError(
  { name, revision, file }: HubReference,
  repository: CachedRepository,
  scope: Scope,
  commit: string | undefined,
  here: Selection | undefined,
): Promise<TritcError> {
  const isKnown = here !== undefined && here.files.length > 0;
  const { missing } = isKnown ? here : await selectFiles(UNKNOWN, scope, file);
  const snapshot = repository.snapshot(commit ?? (isCommit(revision) ? revision : "<commit>"));
  const reference = commit === undefined && !isCommit(revision) ? [repository.reference(revision)] : [];
  const index = isKnown || file !== undefined ? [] : [MODEL_INDEX];
  const paths = [...reference, ...[...index, ...missing].map((path) => join(snapshot, path))];
  const [expected = snapshot, ...others] = paths;
  return new TritcError({
    code: "TRITC_E_HUB_OFFLINE",
    message: isKnown
      ? "files of the model are not here, and nothing is downloaded offline"
      : "the model is not here, and nothing is downloaded offline",
    place: name,
    expected,
    others,
    othersShown: MOST_SHOWN,
    remedy: "run the command once without --offline and HF_HUB_OFFLINE, or copy the cache from where it is",
  });
}
