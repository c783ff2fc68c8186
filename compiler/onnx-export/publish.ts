import { lstat, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TritcError } from "../../ir/errors.js";
import { checkFilePath, syncFolder } from "../atomic-file.js";
import { type Occupant, whatIsThere } from "../bundle/occupant.js";
import { physicalPath, refuseNested, type StagingOptions, writeFolder } from "../bundle/staging.js";
import { WorkFolder } from "../bundle/work-folder.js";
import { describeSystemError } from "../system-errors.js";
import { dataFileOf, PRODUCER } from "./files.js";

/** Name of the model file in a folder of its own. */
export const MODEL_FILE = "model.onnx";

/** Whether a path names the model file itself rather than a folder for it. */
function isFilePath(out: string): boolean {
  return out.endsWith(".onnx");
}

/** The model file that an export to `out` makes. */
export function modelFileOf(out: string): string {
  return isFilePath(out) ? out : join(out, MODEL_FILE);
}

/**
 * Refuses an output path before the work: TRITC_E_OUT, TRITC_E_OUT_EXISTS. A folder may hold an earlier export, which
 * is replaced as a whole. Two files cannot be replaced at once, so with a file's path neither may exist.
 */
export async function checkExportPath(out: string): Promise<void> {
  if (!isFilePath(out)) {
    await exportThere(out);
    return;
  }
  await checkFilePath(out);
  for (const path of [out, dataFileOf(out)]) {
    if (await exists(path))
      throw refuse(path, "a file", "a path where neither the model nor its data file exists");
  }
}

/**
 * Makes an export appear at `out` all at once. `write` fills the bundle of a work folder with `name` and perhaps its data file,
 * which are moved to their place when they are complete; on any failure nothing is left, and what was there stays. A folder's
 * export that was stopped may leave what `write` prepared, as `writeFolder` says.
 */
export async function publishExport<T>(
  out: string,
  options: Omit<StagingOptions, "look">,
  write: (work: WorkFolder, name: string) => Promise<T>,
): Promise<T> {
  if (!isFilePath(out))
    return publishFolder(out, options, async (work) => {
      await work.begin([]);
      return write(work, MODEL_FILE);
    });
  await refuseNested(resolve(out));
  const target = await physicalPath(resolve(out));
  let work: WorkFolder | undefined;
  try {
    work = await WorkFolder.open(target);
    await work.begin([]);
    const result = await write(work, basename(target));
    await checkExportPath(out);
    await moveOut(work.bundle, target);
    await syncFolder(dirname(target));
    return result;
  } catch (error) {
    throw describeSystemError(error, out) ?? error;
  } finally {
    await work?.remove();
  }
}

/** As `writeFolder`, for the folder of a model, which may replace one that was exported earlier. */
export function publishFolder<T>(
  out: string,
  options: Omit<StagingOptions, "look">,
  write: (work: WorkFolder) => Promise<T>,
): Promise<T> {
  return writeFolder(out, { ...options, look: exportThere }, write);
}

/** The data file first: where the model file is, everything is. */
async function moveOut(temporary: string, target: string): Promise<void> {
  const name = basename(target);
  const files = await readdir(temporary);
  const data = files.includes(basename(dataFileOf(name)));
  if (data) await rename(join(temporary, dataFileOf(name)), dataFileOf(target));
  try {
    await rename(join(temporary, name), target);
  } catch (error) {
    if (data) await rm(dataFileOf(target), { force: true });
    throw error;
  }
}

/** What is at the folder an export shall be: as for bundles, but an earlier export may be replaced, and no bundle. */
async function exportThere(out: string): Promise<Occupant> {
  const files = (await isFolder(out)) ? await readdir(out) : [];
  if (files.length === 0) return whatIsThere(out);
  const foreign = files.find((file) => file !== MODEL_FILE && file !== dataFileOf(MODEL_FILE));
  if (foreign !== undefined) throw refuse(out, `a folder with ${foreign} in it`, FOLDER);
  if (!files.includes(MODEL_FILE) || !(await isOwn(join(out, MODEL_FILE)))) {
    throw refuse(out, "a model that tritc did not export", FOLDER);
  }
  return "bundle";
}

const FOLDER = "a new path, an empty folder, or an earlier export to replace";

/** Whether a model file names this compiler as its producer: the second field of the file, after the IR version. */
async function isOwn(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const start = Buffer.alloc(PRODUCER.length + 4);
    await file.read(start, 0, start.length, 0);
    const [version, producer] = [0x08, 0x12];
    const named = start.subarray(4).toString("latin1") === PRODUCER;
    return start[0] === version && start[2] === producer && start[3] === PRODUCER.length && named;
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function refuse(place: string, found: string, expected: string): TritcError {
  return new TritcError({
    code: "TRITC_E_OUT_EXISTS",
    message: "something is at the output path that is not overwritten",
    place,
    expected,
    found,
    remedy: "choose another path for --out, or remove what is there",
    exitCode: 2,
  });
}
