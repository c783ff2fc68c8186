import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { FileLock, LockHeldError, lockHolder } from "../../compiler/bundle/lock.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DEAD = 2 ** 22 + 1;
const stale = {
  "a process that is gone": { pid: DEAD, began: "5", at: 0, token: "00112233445566aa" },
  "another process that had our id": { pid: process.pid, began: "5", at: 0, token: "00112233445566bb" },
  "another process that had a running one's id": {
    pid: process.ppid,
    began: "5",
    at: 0,
    token: "00112233445566cc",
  },
  "an earlier version": DEAD,
  "nothing readable": "{",
} as const;
let count = 0;
function place(content?: unknown): string {
  const path = join(folder, String(count++), "lock");
  mkdirSync(join(path, ".."));
  if (content !== undefined) {
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  }
  return path;
}

/** Takes a lock many times at once; what became of it, and the lock itself. */
async function race(path: string): Promise<{ readonly taken: FileLock[]; readonly held: number }> {
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => FileLock.take(path)));
  for (const result of all) {
    if (result.status === "rejected") expect(result.reason).toBeInstanceOf(LockHeldError);
  }
  const taken = all.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  return { taken, held: all.length - taken.length };
}

it.each(Object.entries(stale))("one of many takes over the lock of %s", async (_, content) => {
  const path = place(content);
  const { taken, held } = await race(path);
  expect([taken.length, held]).toEqual([1, 19]);
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid });
  expect(await lockHolder(path)).toBe(process.pid);
  await taken[0]?.release();
  expect(readdirSync(join(path, ".."))).toEqual([]);
  expect(await lockHolder(path)).toBeUndefined();
});

it("an heir that died before it took over is inherited as well", async () => {
  const dead = stale["a process that is gone"];
  const path = place(dead);
  writeFileSync(`${path}.after.${dead.token}`, JSON.stringify({ ...dead, token: "00112233445566dd" }));
  const { taken } = await race(path);
  expect(taken.length).toBe(1);
  await taken[0]?.release();
  expect(readdirSync(join(path, ".."))).toEqual([]);
});

it("who releases leaves the lock of a successor", async () => {
  const path = place();
  const first = await FileLock.take(path);
  rmSync(path);
  const second = await FileLock.take(path);
  await first.release();
  await expect(FileLock.take(path)).rejects.toBeInstanceOf(LockHeldError);
  await second.release();
  await (await FileLock.take(path)).release();
});

it("a lock of a process that runs is nobody else's, whatever says it", async () => {
  for (const content of [
    process.ppid,
    { pid: process.ppid, began: null, at: 0, token: "00112233445566ee" },
  ]) {
    const path = place(content);
    await expect(FileLock.take(path)).rejects.toMatchObject({ pid: process.ppid });
    expect(readdirSync(join(path, ".."))).toEqual(["lock"]);
  }
});
