/** The disk fills up at the Nth operation that writes, for N = 1, 2, … until an export gets through. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type * as FsPromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { exportOnnx } from "../../compiler/onnx-export/index.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { snapshot } from "../support/tree.js";

/** Operations left until one fails; Infinity for none. */
const disk = vi.hoisted(() => ({ operationsLeft: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof FsPromises>();
  const failing =
    <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (--disk.operationsLeft !== 0) return operation(...args);
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
  return {
    ...real,
    mkdir: failing(real.mkdir),
    rename: failing(real.rename),
    async open(path: string, flags: string) {
      const file = await (flags === "r" ? real.open : failing(real.open))(path, flags);
      for (const name of ["write", "writeFile", "sync"] as const) {
        const operation = file[name].bind(file) as (...args: unknown[]) => Promise<unknown>;
        Object.defineProperty(file, name, { value: failing(operation) });
      }
      return file;
    },
  };
});

const root = mkdtempSync(join(tmpdir(), "tritc-onnx-faults-"));
const source = join(root, "flux.onnx");
beforeAll(() => {
  const style = STYLES.torchscript;
  if (style === undefined) throw new Error("no such style");
  writeFileSync(source, buildFlux(style, TINY));
});
afterAll(() => rmSync(root, { recursive: true }));

it.each([
  { what: "a new folder", path: "out", earlier: false },
  { what: "a folder in place of an earlier export", path: "out", earlier: true },
  { what: "a file", path: "out.onnx", earlier: false },
])("$what: what was there before, or all of the new", async ({ path, earlier }) => {
  const reference = mkdtempSync(join(root, "r-"));
  await exportOnnx({ input: source, out: join(reference, path), weights: "2bit" });
  const complete = snapshot(reference);
  const parent = join(root, `p-${path}-${earlier}`);
  let failures = 0;
  for (let n = 1; ; n++) {
    rmSync(parent, { recursive: true, force: true });
    mkdirSync(parent);
    const out = join(parent, path);
    if (earlier) await exportOnnx({ input: source, out });
    const before = snapshot(parent);
    disk.operationsLeft = n;
    const error: unknown = await exportOnnx({ input: source, out, weights: "2bit" }).then(
      () => undefined,
      (e: unknown) => e,
    );
    const spent = disk.operationsLeft <= 0;
    disk.operationsLeft = Number.POSITIVE_INFINITY;
    if (!spent) break;
    failures++;
    expect(error, `operation ${n}`).toMatchObject({ code: "TRITC_E_SYSTEM" });
    const after = snapshot(parent);
    // Making a finished rename durable may fail too: then all of the new is there.
    expect([before, complete], `operation ${n}`).toContainEqual(after);
  }
  expect(snapshot(parent)).toEqual(complete);
  expect(failures).toBeGreaterThan(5);
});
