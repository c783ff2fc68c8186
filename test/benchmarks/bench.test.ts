import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compareResults, differencesOf, isWithinSpread, slowerThan } from "../../benchmarks/bench/compare.js";
import { type Measured, measure } from "../../benchmarks/bench/measure.js";
import { type BenchResult, readResult } from "../../benchmarks/bench/result.js";
import { benchCommand } from "../../benchmarks/bench/run.js";

const scratch = mkdtempSync(join(tmpdir(), "tritc-bench-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function run(...args: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  const [out, error]: [string[], string[]] = [[], []];
  const code = await benchCommand(["--threads", "1", "--time", "1", ...args], {
    out: (text) => out.push(text),
    error: (text) => error.push(text),
  });
  return { code, out: out.join("\n"), error: error.join("\n") };
}

const task: Measured = {
  ...{ name: "ours", isPeer: false, samples: 9, median: 0.5, best: 0.5, spread: 0.1, processor: 0.5 },
  ...{ speedup: 2, speedupSpread: 0.05, processorSpeedup: 2, error: 0 },
};

function resultOf(...tasks: readonly Measured[]): BenchResult {
  return {
    date: "2026-11-30T00:00:00.000Z",
    machine: { processor: "one", cores: 1, memoryBytes: 1, load: 0 },
    versions: {},
    ...{ target: "cpu", device: "none", threads: 1, time: 1 },
    subjects: [{ name: "work", tasks }],
  };
}

describe("npm run bench", () => {
  it("measures subjects beside their peers, writes what it found and compares it with what was", async () => {
    const file = join(scratch, "result.json");
    const only = "packers/absmean to trits,kernels/linear 28 x 256 x 768,kernels/attention 28,Euler";
    const first = await run("--only", only, "--json", file);
    expect(first.code).toBe(0);
    // Progress, a line for each subject.
    expect(first.error.split("\n")).toHaveLength(4);
    const { machine, versions, subjects, date } = await readResult(file);
    expect(machine.cores).toBeGreaterThan(0);
    expect(versions.node).toBe(process.versions.node);
    expect(versions["onnxruntime-node"]).toMatch(/^1\./);
    expect(new Date(date).toISOString()).toBe(date);
    expect(subjects.map(({ tasks }) => tasks.length)).toEqual([3, 7, 2, 2]);
    for (const { name, tasks } of subjects) {
      expect(tasks[0]?.isPeer, name).toBe(true);
      expect(first.out).toContain(name);
      for (const { samples, median, best, speedup, isPeer } of tasks) {
        expect(samples).toBeGreaterThanOrEqual(5);
        expect(best).toBeGreaterThan(0);
        expect(best).toBeLessThanOrEqual(median);
        if (!isPeer) expect(speedup).toBeGreaterThan(0);
      }
    }
    // Results were held against the peer's: int8 rows differ, but not much.
    const [, linears] = subjects;
    const int8 = linears?.tasks.find(({ name }) => name === "ternary, int8 rows");
    expect(int8?.error).toBeGreaterThan(0);

    // Everything took ten times as long before.
    const old = JSON.parse(readFileSync(file, "utf8"), (key, value: unknown) =>
      key === "median"
        ? 10 * Number(value)
        : key === "speedup" && value !== null
          ? Number(value) / 10
          : value,
    );
    const slow = join(scratch, "old.json");
    writeFileSync(slow, JSON.stringify(old));
    const part = ["--only", "packers/absmean to trits", "--compare", slow, "--fail-above", "2"];
    const again = await run(...part);
    expect(again.code).toBe(0);
    expect(again.out).toMatch(/absmean to trits.*: WebAssembly.*faster/);

    // And a thousandth of it: slower than asked for, which the exit code says.
    const quick = JSON.parse(readFileSync(file, "utf8"), (key, value: unknown) =>
      key === "median" || key === "spread" || key === "speedupSpread"
        ? Number(value) / 1000
        : key === "speedup" && value !== null
          ? 1000 * Number(value)
          : value,
    );
    writeFileSync(slow, JSON.stringify(quick));
    const failed = await run(...part);
    expect(failed.code).toBe(1);
    expect(failed.error).toMatch(/slower: packers\/absmean to trits.*: WebAssembly/);
    expect(failed.error).not.toMatch(/not of the same/);
    const other = await run("--only", "packers/blocks", "--compare", slow);
    expect(other).toMatchObject({ code: 2, error: expect.stringMatching(/none of the subjects/) });
  });

  it("lists subjects, and refuses what there is none of", async () => {
    const { out } = await run("--list", "--only", "packers/");
    expect(out.split("\n")).toHaveLength(5);
    expect(await run("--only", "teleport")).toMatchObject({
      code: 2,
      error: "bench: --only teleport: no subject has that in its name",
    });
    expect(await run("--target", "abacus")).toMatchObject({
      code: 2,
      error: expect.stringMatching(/cpu or webgpu/),
    });
    expect(await run("--compare", "none.json")).toMatchObject({
      code: 2,
      error: expect.stringMatching(/none\.json/),
    });
    const nowhere = await run("--only", "packers/blocks", "--json", join(scratch, "none", "x.json"));
    expect(nowhere).toMatchObject({ code: 2, error: expect.stringMatching(/does not exist/) });
    for (const [factor, error] of [
      ["0", /a number above 0/],
      ["2", /--compare/],
    ] as const)
      expect(await run("--fail-above", factor)).toMatchObject({
        code: 2,
        error: expect.stringMatching(error),
      });
    expect(await run("--fast")).toMatchObject({ code: 2, error: expect.stringMatching(/--fast/) });
    const file = join(scratch, "other.json");
    writeFileSync(file, '{"date": "today"}');
    expect(await run("--only", "packers/blocks", "--compare", file)).toMatchObject({
      code: 2,
      error: expect.stringMatching(/machine/),
    });
  });
});

it.each([
  ["median", 0, /median.*(?:.|\n)*above 0/],
  ["median", -1, /above 0/],
  ["spread", -0.1, /not negative/],
  ["speedup", 0, /above 0/],
  ["speedupSpread", -1, /not negative/],
])("results whose %s is %d are refused before anything is measured", async (name, value, error) => {
  const file = join(scratch, "zero.json");
  const { subjects, ...rest } = resultOf({ ...task, [name]: value });
  const named = subjects.map((subject) => ({ ...subject, name: "packers/blocks" }));
  writeFileSync(file, JSON.stringify({ ...rest, subjects: named }));
  const found = await run("--only", "packers/blocks", "--compare", file);
  expect(found).toMatchObject({ code: 2, out: "", error: expect.stringMatching(error) });
});

it("results of another machine are told apart", () => {
  const [one, other] = [resultOf(task), resultOf(task)];
  expect(differencesOf(one, other)).toEqual([]);
  const machine = { ...other.machine, processor: "two", load: 3 };
  expect(differencesOf(one, { ...other, machine, threads: 2, date: "later" })).toEqual([
    "processor one now, two then",
    "threads 1 now, 2 then",
  ]);
});

describe("measure", () => {
  const peer = { name: "peer", isPeer: true, run: () => 1, result: async () => [3, 4] };

  it("refuses results that are not the peer's", async () => {
    const other = { name: "other", run: () => 1, result: async () => [3, 5], tolerance: 0.1 };
    await expect(measure({ tasks: [peer, other] }, 1)).rejects.toThrow(/other computes something else/);
    const [, measured] = await measure({ tasks: [peer, { ...other, tolerance: 0.2 }] }, 1);
    expect(measured?.error).toBeCloseTo(1 / 5);
  });

  it("tells of work that fails", async () => {
    const broken = () => {
      throw new Error("out of order");
    };
    await expect(measure({ tasks: [peer, { name: "broken", run: broken }] }, 1)).rejects.toThrow(
      "out of order",
    );
  });
});

describe("compareResults", () => {
  it("gives ratios by time and over the peer's, with the spread of both", () => {
    const now = resultOf({ ...task, median: 0.6, speedup: 2.5 });
    const [found] = compareResults(now, resultOf(task));
    expect(found?.ratio).toBeCloseTo(1.2);
    expect(found?.spread).toBeCloseTo(1.2 * Math.hypot(0.1, 0.1));
    expect(found?.againstPeer).toBeCloseTo(0.8);
    expect(found?.peerSpread).toBeCloseTo(0.8 * Math.hypot(0.05, 0.05));
  });

  it("goes by the peer's time where there is one, and knows differences that the spread explains", () => {
    const twice = resultOf({ ...task, median: 1 });
    // The peer took twice as long, too: the machine had more to do.
    expect(compareResults(twice, resultOf(task)).map(isWithinSpread)).toEqual([true]);
    const alone = { speedup: null, speedupSpread: null };
    const slower = compareResults(
      resultOf({ ...task, ...alone, median: 1 }),
      resultOf({ ...task, ...alone }),
    );
    expect(slower.map(isWithinSpread)).toEqual([false]);
    expect(slowerThan(slower, 1.2)).toEqual(slower);
    expect(slowerThan(slower, 2.5)).toEqual([]);
    const wild = compareResults(
      resultOf({ ...task, ...alone, median: 1, spread: 1.2 }),
      resultOf({ ...task, ...alone }),
    );
    expect(slowerThan(wild, 1.2)).toEqual([]);
  });

  it("leaves out what only one of them has", () => {
    expect(compareResults(resultOf(task), resultOf({ ...task, name: "theirs" }))).toEqual([]);
  });
});
