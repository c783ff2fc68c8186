import { existsSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";
import { usageError } from "./usage-error.js";

/** Whether a path is a bundle folder. */
export function isBundle(path: string): boolean {
  return existsSync(join(path, MANIFEST_FILE));
}

/** Refuses a bundle where a model is expected: its weights would pass for a checkpoint. */
export function refuseBundle(path: string, command: string): void {
  if (!isBundle(path)) return;
  throw usageError({
    message: `this is a bundle, and tritc ${command} takes a model`,
    place: path,
    expected: "an .onnx file, a model folder, or a checkpoint",
    found: `a folder with ${MANIFEST_FILE}`,
    remedy:
      "a bundle is compiled already: tritc run draws with it, tritc verify checks it, tritc report shows it",
  });
}
