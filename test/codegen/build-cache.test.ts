import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { BuildCache } from "../../compiler/codegen/nvcc/cache.js";

const root = mkdtempSync(join(tmpdir(), "tritc-build-cache-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const build = { log: "ptxas info: ü\n", binary: Uint8Array.from({ length: 300 }, (_, i) => (7 * i) & 255) };

function fileOf(folder: string): string {
  const [name = "", ...rest] = readdirSync(folder);
  expect(rest).toEqual([]);
  return join(folder, name);
}

it("keeps builds by key", async () => {
  const cache = new BuildCache(join(root, "plain"));
  const key = BuildCache.key("13.0.88", "-O3", "source");
  expect(await cache.get(key)).toBeUndefined();
  await cache.put(key, build);
  expect(await cache.get(key)).toEqual(build);
  expect(await cache.get(BuildCache.key("13.0.89", "-O3", "source"))).toBeUndefined();
  expect(BuildCache.key("ab", "c")).not.toBe(BuildCache.key("a", "bc"));
});

it.each([
  ["cut short", (file: string) => truncateSync(file, 200)],
  ["empty", (file: string) => writeFileSync(file, "")],
  ["of something else", (file: string) => writeFileSync(file, "hello")],
  [
    "with one bit wrong",
    (file: string) => {
      const bytes = readFileSync(file);
      bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
      writeFileSync(file, bytes);
    },
  ],
] as const)("takes an entry %s for none, and replaces it", async (what, damage) => {
  const folder = join(root, what.replaceAll(" ", "-"));
  const cache = new BuildCache(folder);
  const key = BuildCache.key("x");
  await cache.put(key, build);
  damage(fileOf(folder));
  expect(await cache.get(key)).toBeUndefined();
  await cache.put(key, build);
  expect(await cache.get(key)).toEqual(build);
  expect(fileOf(folder)).toContain(key);
});

it("does without a folder that cannot be made", async () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  const cache = new BuildCache(join(file, "below"));
  await cache.put("key", build);
  expect(await cache.get("key")).toBeUndefined();
});
