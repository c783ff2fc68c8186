import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, describe, expect, it, vi } from "vitest";
import { inTemporaryFolder, runNvcc } from "../../compiler/codegen/nvcc/run.js";
import { mapParallel } from "../../compiler/codegen/parallel.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-nvcc-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that was killed and not yet waited for still has its number.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("runNvcc", () => {
  it("gives what was printed on both streams and whether it succeeded", async () => {
    const good = script("good", 'echo "in $TMPDIR"; echo "$1" >&2');
    expect(await runNvcc(good, ["-v"], folder)).toEqual({ ok: true, output: `in ${folder}\n-v` });
    const bad = script("bad", "echo broken; exit 2");
    expect(await runNvcc(bad, [], folder)).toEqual({ ok: false, output: "broken" });
  });

  it("keeps flags of the environment out, which the cache would not know of", async () => {
    vi.stubEnv("NVCC_APPEND_FLAGS", "--use_fast_math");
    const show = script("show", 'echo "[$NVCC_APPEND_FLAGS]"');
    expect((await runNvcc(show, [], folder)).output).toBe("[]");
    vi.unstubAllEnvs();
  });

  it("reports a program that cannot be started", async () => {
    const { ok, output } = await runNvcc(join(folder, "none"), [], folder);
    expect(ok).toBe(false);
    expect(output).toContain("ENOENT");
  });

  it("kills nvcc and what it started when the signal comes", async () => {
    const pids = join(folder, "pids");
    const slow = script("slow", `sleep 600 & echo $! > ${pids}.part; mv ${pids}.part ${pids}; wait`);
    const stop = new AbortController();
    const reason = new Error("stopped");
    const run = runNvcc(slow, [], folder, stop.signal);
    while (!existsSync(pids)) await setTimeout(5);
    const child = Number(readFileSync(pids, "utf8"));
    expect(runs(child)).toBe(true);
    stop.abort(reason);
    await expect(run).rejects.toBe(reason);
    while (runs(child)) await setTimeout(5);
  });

  it("starts nothing once the signal has come", async () => {
    const mark = join(folder, "started");
    const run = runNvcc(script("mark", `touch ${mark}`), [], folder, AbortSignal.abort(new Error("before")));
    await expect(run).rejects.toThrow("before");
    expect(existsSync(mark)).toBe(false);
  });
});

it("removes the temporary folder whatever happens", async () => {
  let used = "";
  const work = inTemporaryFolder(async (path) => {
    used = path;
    mkdirSync(join(path, "below"));
    writeFileSync(join(path, "below", "file"), "x");
    expect(readdirSync(path)).toEqual(["below"]);
    throw new Error("no");
  });
  await expect(work).rejects.toThrow("no");
  expect(existsSync(used)).toBe(false);
});

describe("mapParallel", () => {
  it("keeps the order and the limit", async () => {
    let now = 0;
    let most = 0;
    const square = async (x: number) => {
      most = Math.max(most, ++now);
      await setTimeout((7 * x) % 5);
      now--;
      return x * x;
    };
    const items = Array.from({ length: 20 }, (_, i) => i);
    expect(await mapParallel(items, 3, square)).toEqual(items.map((x) => x * x));
    expect(most).toBe(3);
    expect(await mapParallel([], 3, square)).toEqual([]);
  });

  it("stops the others at a failure, waits for them, and throws it", async () => {
    const ended: number[] = [];
    const work = async (x: number, signal: AbortSignal) => {
      if (x === 1) throw new Error("one");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.push(x);
    };
    await expect(mapParallel([0, 1, 2, 3, 4], 2, work)).rejects.toThrow("one");
    expect(ended).toEqual([0]);
  });

  it("throws the outer signal's reason", async () => {
    const outer = new AbortController();
    const work = (x: number, signal: AbortSignal) =>
      new Promise<number>((resolve) => {
        signal.addEventListener("abort", () => resolve(x));
        outer.abort(new Error("outer"));
      });
    await expect(mapParallel([0, 1, 2], 2, work, outer.signal)).rejects.toThrow("outer");
  });
});
