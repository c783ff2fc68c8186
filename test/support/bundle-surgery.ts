import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A copy of a bundle in a folder of a test. */
export function copyBundle(from: string, folder: string): string {
  const to = join(folder, "bundle");
  cpSync(from, to, { recursive: true });
  return to;
}

/** Flips the lowest bit of one byte in the middle of a file. */
export function flipBit(path: string, at?: number): void {
  const bytes = readFileSync(path);
  const place = at ?? Math.floor(bytes.length / 2);
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Replaces text in a file, which must hold it. */
export function replaceText(path: string, from: string | RegExp, to: string): void {
  const before = readFileSync(path, "utf8");
  const after = before.replace(from, to);
  if (after === before) throw new Error(`${path} does not hold ${from}`);
  writeFileSync(path, after);
}

/** Makes the manifest's sizes and hashes those of the files, so that a reader looks past them. */
export function rehash(bundle: string): void {
  const path = join(bundle, "manifest.json");
  const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
  const files = readdirSync(bundle, { recursive: true, encoding: "utf8" })
    .map((file) => file.split("\\").join("/"))
    .filter((file) => file !== "manifest.json" && statSync(join(bundle, file)).isFile())
    .sort()
    .map((file) => {
      const bytes = readFileSync(join(bundle, file));
      return { path: file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    });
  writeFileSync(path, JSON.stringify({ ...(manifest as object), files }));
}
