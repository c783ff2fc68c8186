/**
 * The disk fills up at the Nth operation that writes, for N = 1, 2, … until a download gets through: each says so, nothing is
 * called whole that is not, and the next one goes on.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import type * as FsPromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { hubModel, hubSettings } from "../../compiler/hub/index.js";
import { COMMIT, FakeHub } from "../support/fake-hub.js";

/** Operations left until all fail; Infinity for none. */
const disk = vi.hoisted(() => ({ operationsLeft: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof FsPromises>();
  const failing =
    <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (--disk.operationsLeft >= 0) return operation(...args);
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
  return {
    ...real,
    ...Object.fromEntries(
      (["mkdir", "rename", "symlink", "link", "copyFile", "writeFile"] as const).map((name) => [
        name,
        failing(real[name] as (...args: unknown[]) => Promise<unknown>),
      ]),
    ),
    async open(path: string, flags: string) {
      const file = await (flags === "r" ? real.open : failing(real.open))(path, flags);
      for (const name of ["write", "writeFile", "sync", "truncate"] as const) {
        const operation = file[name].bind(file) as (...args: unknown[]) => Promise<unknown>;
        Object.defineProperty(file, name, { value: failing(operation) });
      }
      return file;
    },
  };
});

const CONFIG = JSON.stringify({ _class_name: "FluxTransformer2DModel" });
const FILES: Readonly<Record<string, string>> = {
  "config.json": CONFIG,
  "diffusion_pytorch_model.safetensors": "0123456789".repeat(1000),
  "quantization_config.json": "{}",
};
const home = mkdtempSync(join(tmpdir(), "tritc-hub-faults-"));
let hub: FakeHub;
beforeAll(async () => {
  hub = await FakeHub.open({ "org/name": { files: FILES } });
});
afterAll(async () => {
  await hub.close();
  rmSync(home, { recursive: true });
});

const model = (folder: string) =>
  hubModel({ name: "org/name", revision: "main" }, hubSettings({ env: hub.env(folder) }), {
    retries: { attempts: 2, firstWait: 1 },
  });

/** Whatever the commit's folder shows is the repository's, byte for byte. */
function expectNothingWrong(folder: string): void {
  const snapshot = join(folder, "hub/models--org--name/snapshots", COMMIT);
  let names: readonly string[] = [];
  try {
    names = readdirSync(snapshot);
  } catch {
    // It did not come so far.
  }
  for (const name of names) expect(readFileSync(join(snapshot, name), "utf8"), name).toBe(FILES[name]);
}

it("a disk that is full at any write", { timeout: 120_000 }, async () => {
  let failures = 0;
  for (let n = 0; ; n++) {
    const folder = join(home, String(n));
    disk.operationsLeft = n;
    const found = await model(folder).catch((error) => error);
    const isThrough = disk.operationsLeft >= 0;
    disk.operationsLeft = Number.POSITIVE_INFINITY;
    expectNothingWrong(folder);
    if (!isThrough) {
      expect(found, `operation ${n}`).toMatchObject({ message: expect.stringContaining("ENOSPC") });
      failures++;
    }
    const { path } = await model(folder);
    expect(readdirSync(path).sort()).toEqual(Object.keys(FILES).sort());
    expectNothingWrong(folder);
    const left = readdirSync(join(folder, "hub"), { recursive: true, encoding: "utf8" }).filter(
      (file) => /\.tmp$|incomplete|locks\/.*\/./.test(file) && statSync(join(folder, "hub", file)).isFile(),
    );
    expect(left).toEqual([]);
    if (isThrough) break;
  }
  expect(failures).toBeGreaterThan(15);
});
