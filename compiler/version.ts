import { readFileSync } from "node:fs";
import { packageRoot } from "./package-root.js";

/** Version of this package, from its package.json: beside the sources and `dist/` alike. */
export function packageVersion(): string {
  const json: unknown = JSON.parse(readFileSync(new URL("package.json", packageRoot()), "utf8"));
  const version = typeof json === "object" && json !== null && "version" in json ? json.version : undefined;
  return typeof version === "string" ? version : "0.0.0";
}
