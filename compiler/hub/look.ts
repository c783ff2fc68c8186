import { formatBytes, formatQuantity } from "../units.js";
import { downloadModel, findModel } from "./index.js";
import type { HubModelOptions, PreparedModel } from "./prepare.js";
import { NotByRanges } from "./ranges.js";
import type { HubReference } from "./reference.js";
import type { HubSettings } from "./settings.js";
import { ModelView } from "./view.js";

/** Below this, files are downloaded, which takes no longer. */
const LEAST_BYTES = 1 << 24;
/** ONNX files that are downloaded all the same: they say where their weights are. */
const MOST_ONNX_BYTES = 1 << 26;
/** How often work begins again with more bytes. */
const MOST_ATTEMPTS = 16;

/**
 * What work makes of a model of which it reads little: headers, small tensors, first rows. Weights that are not in the cache come by
 * byte ranges as far as they are read; work begins again until it has read nothing that was not here, so it must do nothing but
 * read. Where more is read than a small part, or parts cannot be had, the model is downloaded. Throws what `hubModel` and the work
 * do.
 */
export async function lookAtModel<T>(
  reference: HubReference,
  settings: HubSettings,
  options: HubModelOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const found = await findModel(reference, settings, options);
  if ("path" in found) return work(found.path);
  const model = await withoutSmall(found);
  const seen = await byParts(model, work).catch((error) => {
    if (!(error instanceof NotByRanges)) throw error;
    model.onNotice(`${model.name}: ${error.message}, so it is downloaded`);
    return undefined;
  });
  return seen === undefined ? work((await downloadModel(model)).path) : seen();
}

/** Brings what needs no ranges: ONNX files, and bytes that are in the cache under another name. */
async function withoutSmall(model: PreparedModel): Promise<PreparedModel> {
  const { repository, absent, bring } = model;
  const isCheap = ({ path, bytes, hash }: (typeof absent)[number]) =>
    (path.endsWith(".onnx") && bytes <= MOST_ONNX_BYTES) || repository.hasBlob(hash, bytes);
  for (const file of absent.filter(isCheap)) await bring(file);
  return { ...model, absent: absent.filter((file) => !isCheap(file)) };
}

/** How work ended, or undefined where ranges are not worth it. Throws NotByRanges, and what fetching does. */
async function byParts<T>(
  model: PreparedModel,
  work: (path: string) => Promise<T>,
): Promise<(() => T) | undefined> {
  const { name, commit, absent, onNotice } = model;
  const bytes = absent.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes < LEAST_BYTES || absent.some(({ path }) => path.endsWith(".onnx"))) return undefined;
  const what = `${formatQuantity(absent.length, "file")}, ${formatBytes(bytes)}`;
  onNotice(`${name}: reading parts of ${what} (commit ${commit.slice(0, 8)})`);
  const view = await ModelView.open(model);
  try {
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts++) {
      const end = await view.attempt(work);
      if (end !== undefined) {
        onNotice(`${name}: ${formatBytes(view.taken)} of ${formatBytes(bytes)} read`);
        return end;
      }
      await view.fetchMissed();
    }
    throw new NotByRanges("the weights are read piece by piece");
  } finally {
    await view.close();
  }
}
