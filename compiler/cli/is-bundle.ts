import { existsSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST_FILE } from "../../ir/format/manifest.js";

/** Whether a path is a bundle folder. */
export function isBundle(path: string): boolean {
  return existsSync(join(path, MANIFEST_FILE));
}
