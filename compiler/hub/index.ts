import { statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { formatBytes, formatQuantity } from "../units.js";
import { CachedRepository, isCommit } from "./cache.js";
import { partialSize } from "./download.js";
import { eachOf, type HubModelOptions, type PreparedModel, prepareModel } from "./prepare.js";
import { checkReference, type HubReference, type Scope } from "./reference.js";
import type { RemoteFile } from "./remote.js";
import { type FileTree, MODEL_INDEX, type Selection, selectFiles } from "./select.js";
import type { HubSettings } from "./settings.js";

export type { HubModelOptions } from "./prepare.js";
export { type HubReference, hubReference, type Scope } from "./reference.js";
export { type HubSettings, type HubSettingsRequest, hubSettings } from "./settings.js";

/** A model of the hub that is here. */
export interface HubModel {
  /** The folder, or the one file, that `compileModel` and the others take. */
  readonly path: string;
  readonly commit: string;
  /** Bytes that had to be downloaded. */
  readonly downloaded: number;
}

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
  const found = await findModel(reference, settings, options);
  return "path" in found ? found : downloadModel(found);
}

/** A model that is in the cache as a whole, or one of which weights have to come. Throws what `hubModel` does. */
export async function findModel(
  reference: HubReference,
  settings: HubSettings,
  options: HubModelOptions,
): Promise<HubModel | PreparedModel> {
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
  return prepareModel(repository, reference, settings, options);
}

/** Downloads what is not here of a model. Throws TRITC_E_HUB_DISK and what `downloadBlob` does. */
export async function downloadModel(model: PreparedModel): Promise<HubModel> {
  const { name, commit, repository, remote, absent, bring, expect, onNotice } = model;
  const { revision, file } = model.reference;
  const distinct = [...new Map(absent.map((each) => [each.hash, each])).values()];
  const left = await bytesLeft(repository, distinct);
  const free = await freeBytes(repository.folder);
  if (left > 0 && left + MARGIN > free) throw diskError(repository.cache, left, free);
  expect(distinct.reduce((sum, { bytes }) => sum + bytes, 0));
  if (left > 0) {
    const what = `${formatQuantity(absent.length, "file")}, ${formatBytes(left)}`;
    const at = revision === commit ? "" : ` of ${revision}`;
    onNotice(`${name}: downloading ${what}${at} (commit ${commit.slice(0, 8)}) to ${repository.cache}`);
  }
  await eachOf(absent, bring);
  if (!remote.files.has(MODEL_INDEX)) await repository.noteMissing(commit, MODEL_INDEX);
  await repository.noteCommit(revision, commit);
  return { path: join(repository.snapshot(commit), file ?? ""), commit, downloaded: left };
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
