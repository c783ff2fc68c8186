import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemplateFault } from "./helpers.js";

/** The text of a file below `templates/`. */
export function readTemplateFile(path: string): string {
  return readFileSync(join(templatesRoot(), path), "utf8").replaceAll("\r\n", "\n");
}

let root: string | undefined;

/** `templates/` of the package, from the TypeScript sources and from `dist/` alike. */
export function templatesRoot(): string {
  if (root !== undefined) return root;
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new TemplateFault("no package.json above this module");
    folder = parent;
  }
  root = join(folder, "templates");
  return root;
}
