import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PipelineFiles } from "../pipeline/files.js";
import { readRegular } from "./regular-file.js";

/** The largest of them is a tokenizer: T5's takes 2.4 MB, Qwen's 11 MB. */
const MOST_BYTES = 1 << 26;

/** The files of a pipeline's folder. */
export function folderFiles(folder: string): PipelineFiles {
  return {
    placeOf: (path) => join(folder, path),
    has: (path) => existsSync(join(folder, path)),
    read: (path) => readRegular(join(folder, path), MOST_BYTES),
  };
}
