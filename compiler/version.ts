import { existsSync, readFileSync } from "node:fs";

/** Version of this package, from its package.json: beside the sources and `dist/` alike. */
export function packageVersion(): string {
  let folder = new URL("./", import.meta.url);
  while (!existsSync(new URL("package.json", folder))) folder = new URL("../", folder);
  const json: unknown = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  const version = typeof json === "object" && json !== null && "version" in json ? json.version : undefined;
  return typeof version === "string" ? version : "0.0.0";
}
