/**
 * The disk fills up at the Nth operation that writes, for N = 1, 2, … until a command gets through: it must say
 * so, and leave what was there before, or all of the new, and nothing else but the work that the next run goes on with.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import type * as FsPromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { cli } from "../support/cli.js";
import { snapshot } from "../support/tree.js";
import type { Fixture } from "./cases/case.js";
import { makeFixture } from "./fixture.js";

/** Operations left until one fails; Infinity for none. */
const disk = vi.hoisted(() => ({ operationsLeft: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof FsPromises>();
  const spend = () => {
    if (--disk.operationsLeft !== 0) return;
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  const failing =
    <A extends unknown[], R>(operation: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      spend();
      return operation(...args);
    };
  return {
    ...real,
    mkdir: failing(real.mkdir),
    rename: failing(real.rename),
    copyFile: failing(real.copyFile),
    async open(path: string, flags: string) {
      if (flags !== "r") spend();
      const file = await real.open(path, flags);
      for (const name of ["write", "writeFile", "sync"] as const) {
        const operation = file[name].bind(file) as (...args: unknown[]) => Promise<unknown>;
        Object.defineProperty(file, name, { value: failing(operation) });
      }
      return file;
    },
  };
});

const root = mkdtempSync(join(tmpdir(), "tritc-faults-"));
let fixture: Fixture;
beforeAll(async () => {
  fixture = await makeFixture(join(root, "fixture"));
}, 120_000);
afterAll(() => rmSync(root, { recursive: true }), 120_000);

const compile = (folder: string) => [
  ...["compile", fixture.model, "--target", "cpu", "--ternarize", "none", "-o", join(folder, "out")],
];
const evaluate = (folder: string) => [
  ...["eval", fixture.model, "--inputs", fixture.inputs, "-o", join(folder, "out.safetensors")],
];

const PARTIAL = ".out.partial";

function withoutPartial(tree: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !path.startsWith(PARTIAL)));
}

it.each([
  ["compile to a new path", compile, () => undefined],
  [
    "compile over a bundle",
    (folder: string) => [...compile(folder), "--activations", "f32"],
    (folder: string) => cpSync(fixture.generic, join(folder, "out"), { recursive: true }),
  ],
  ["eval", evaluate, () => undefined],
] as const)(
  "%s",
  async (name, argv, prepare) => {
    const done = join(root, `${name.replaceAll(" ", "-")}-done`);
    mkdirSync(done);
    prepare(done);
    expect(await cli(argv(done))).toMatchObject({ code: 0 });
    const complete = snapshot(done);
    let failures = 0;
    for (let n = 1; ; n++) {
      const folder = join(root, `${name.replaceAll(" ", "-")}-${n}`);
      mkdirSync(folder);
      prepare(folder);
      const before = snapshot(folder);
      disk.operationsLeft = n;
      const { code, stderr } = await cli(argv(folder));
      const left = disk.operationsLeft;
      disk.operationsLeft = Number.POSITIVE_INFINITY;
      if (left > 0) {
        expect(code).toBe(0);
        break;
      }
      failures++;
      expect(stderr, `operation ${n}`).toMatch(
        /the disk is full[\s\S]*try: .*free some space[\s\S]*\[TRITC_E_SYSTEM\]/,
      );
      expect(code).toBe(1);
      const isKept = existsSync(join(folder, PARTIAL));
      expect(stderr.includes(`kept in ${join(folder, PARTIAL)}`), `operation ${n}`).toBe(isKept);
      const after = withoutPartial(snapshot(folder));
      // When only the last flush of the parent folder fails, all of the new is in place.
      if (JSON.stringify(after) !== JSON.stringify(before)) {
        expect(after, `operation ${n}`).toEqual(complete);
      }
      if (isKept) {
        expect(await cli(argv(folder))).toMatchObject({ code: 0 });
        expect(snapshot(folder), `after operation ${n}`).toEqual(complete);
      }
      rmSync(folder, { recursive: true });
    }
    expect(failures).toBeGreaterThan(3);
  },
  120_000,
);
