import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";

/** Every entry below a folder: what it is, and the hash of its bytes. Links are not followed. */
export function snapshot(folder: string): Record<string, string> {
  const tree: Record<string, string> = {};
  const walk = (below: string) => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      const full = join(folder, path);
      if (entry.isSymbolicLink()) tree[path] = `link to ${readlinkSync(full)}`;
      else if (entry.isFile()) tree[path] = createHash("sha256").update(readFileSync(full)).digest("hex");
      else tree[path] = entry.isDirectory() ? "folder" : "special";
      if (entry.isDirectory()) walk(path);
    }
  };
  walk("");
  return tree;
}

/** The files below a folder by path. */
export function contents(folder: string): Record<string, Uint8Array> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path))]));
}
