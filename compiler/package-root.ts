import { existsSync } from "node:fs";

/** The folder of the package's package.json, from the sources and from `dist/` alike. */
export function packageRoot(): URL {
  let folder = new URL("./", import.meta.url);
  while (!existsSync(new URL("package.json", folder))) folder = new URL("../", folder);
  return folder;
}
