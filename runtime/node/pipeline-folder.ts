import { existsSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import type { PipelineFiles } from "../pipeline/files.js";
import { readRegular } from "./regular-file.js";

/** The largest of them is a tokenizer: T5's takes 2.4 MB, Qwen's 11 MB. */
const MOST_BYTES = 1 << 26;

/** The folder of a pipeline: the one given, or that of the bundle given. */
export function pipelineAt(folder: string): string {
  const carried = join(folder, "pipeline");
  return existsSync(join(folder, MANIFEST_FILE)) && existsSync(carried) ? carried : folder;
}

/** The files of a pipeline's folder. */
export function folderFiles(folder: string): PipelineFiles {
  return {
    placeOf: (path) => join(folder, path),
    has: (path) => existsSync(join(folder, path)),
    read: (path) => readRegular(join(folder, path), MOST_BYTES),
  };
}
