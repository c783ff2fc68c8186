/** Work that was stopped goes on where it stopped, and gives the bytes of work that was not. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CompileOptions, type CompileReport, compileModel } from "../../compiler/compile.js";
import { builtCli } from "../support/built-cli.js";
import { uniform } from "../support/random.js";
import { writeReducedFlux } from "../support/reduced-flux.js";
import { snapshot } from "../support/tree.js";

const root = mkdtempSync(join(tmpdir(), "tritc-resume-"));
afterAll(() => rmSync(root, { recursive: true }));
const model = join(root, "model");
const external = join(model, "model.onnx_data");
let whole: ReturnType<typeof snapshot>;
let sourceBytes = 0;

interface Run {
  readonly report: CompileReport;
  readonly notices: readonly string[];
}

async function compile(folder: string, options: Partial<CompileOptions> = {}): Promise<Run> {
  const notices: string[] = [];
  const report = await compileModel({
    input: model,
    out: join(folder, "out"),
    target: "cpu",
    ternarize: "exact",
    activations: "int8",
    threads: 2,
    // Little, so that there are many pieces.
    memory: process.memoryUsage.rss() + 160e6,
    onNotice: (text) => notices.push(text),
    ...options,
  });
  return { report, notices };
}

/** Stops a compilation by a signal when a part of the weights is done. */
async function stopped(folder: string, part: number, options: Partial<CompileOptions> = {}): Promise<void> {
  const stop = new AbortController();
  const running = compile(folder, {
    ...options,
    signal: stop.signal,
    onProgress: ({ phase, done, total }) => {
      if (phase === "weights" && done > part * total) stop.abort(new Error("stopped by the test"));
    },
  });
  await expect(running).rejects.toThrow("stopped by the test");
}

/** Flips bits of every `stride`th byte of a file, from byte `first` on. */
function changeBytes(file: string, stride: number, first: number, bits: number): void {
  const bytes = readFileSync(file);
  for (let i = first; i < bytes.length; i += stride) bytes[i] = (bytes[i] ?? 0) ^ bits;
  writeFileSync(file, bytes);
}

function emptyFolder(): string {
  return mkdtempSync(join(root, "case-"));
}

beforeAll(async () => {
  await writeReducedFlux(model);
  const folder = emptyFolder();
  const { report, notices } = await compile(folder);
  whole = snapshot(join(folder, "out"));
  sourceBytes = report.packing.bytesRead;
  expect(notices).toEqual([]);
  expect(readdirSync(folder)).toEqual(["out"]);
}, 120_000);

it("after a signal: no byte that is done is read again", async () => {
  const folder = emptyFolder();
  await stopped(folder, 0.5);
  expect(readdirSync(folder)).toEqual([".out.partial"]);
  expect(readdirSync(join(folder, ".out.partial")).sort()).toEqual(["bundle", "journal"]);
  const { report, notices } = await compile(folder);
  expect(notices).toEqual([expect.stringContaining("going on from the unfinished work")]);
  expect(report.packing.bytesKept).toBeGreaterThan(0.4 * sourceBytes);
  expect(report.packing.bytesRead + report.packing.bytesKept).toBe(sourceBytes);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  expect(readdirSync(folder)).toEqual(["out"]);
});

it("in other pieces: with other threads and other memory", async () => {
  const folder = emptyFolder();
  await stopped(folder, 0.3);
  await stopped(folder, 0.7, { threads: 1, memory: 1e9 });
  const { report } = await compile(folder, { threads: 0, memory: 2e9 });
  expect(report.packing.bytesKept).toBeGreaterThan(0.5 * sourceBytes);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
});

it("over a bundle, which stays until the new one is whole", async () => {
  const folder = emptyFolder();
  await compile(folder, { ternarize: "absmean" });
  const before = snapshot(join(folder, "out"));
  await stopped(folder, 0.5);
  expect(snapshot(join(folder, "out"))).toEqual(before);
  await compile(folder);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  expect(readdirSync(folder)).toEqual(["out"]);
});

it("with a torn journal, and with bytes that are not what the journal says", async () => {
  const folder = emptyFolder();
  await stopped(folder, 0.6);
  const journal = join(folder, ".out.partial", "journal");
  truncateSync(journal, readFileSync(journal).length - 7);
  const weights = join(folder, ".out.partial", "bundle", "weights.safetensors");
  changeBytes(weights, 1_000_003, 77, 1);
  await compile(folder);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  // And without any weights.
  await stopped(folder, 0.6);
  rmSync(weights);
  await compile(folder);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
});

it("not with other options or another source: it starts anew and says so", async () => {
  const anew = [expect.stringContaining("starting anew")];
  const folder = emptyFolder();
  await stopped(folder, 0.5);
  await stopped(folder, 0.5, { ternarize: "absmean" });
  const { notices, report } = await compile(folder);
  expect(notices).toEqual(anew);
  expect(report.packing.bytesKept).toBe(0);
  expect(snapshot(join(folder, "out"))).toEqual(whole);

  const original = readFileSync(external);
  rmSync(join(folder, "out"), { recursive: true });
  await stopped(folder, 0.9);
  try {
    changeBytes(external, 4096, 8, 0x80);
    const changed = await compile(folder);
    expect(changed.notices).toEqual(anew);
    const fresh = emptyFolder();
    await compile(fresh);
    expect(snapshot(join(folder, "out"))).toEqual(snapshot(join(fresh, "out")));
    expect(snapshot(join(folder, "out"))).not.toEqual(whole);
  } finally {
    writeFileSync(external, original);
  }
});

it.each(["touched", "overwritten, with its time put back"])(
  "not after the source was %s in the middle: nothing of it is kept",
  async (how) => {
    const folder = emptyFolder();
    let isTouched = false;
    const touch = compile(folder, {
      onProgress: ({ phase, done, total }) => {
        if (phase !== "weights" || isTouched || done < total / 2) return;
        isTouched = true;
        const { atime, mtime } = statSync(external);
        if (how === "touched") utimesSync(external, new Date(), new Date());
        else {
          writeFileSync(external, readFileSync(external));
          utimesSync(external, atime, mtime);
        }
      },
    });
    await expect(touch).rejects.toMatchObject({ code: "TRITC_E_SOURCE_CHANGED" });
    expect(readdirSync(folder)).toEqual([]);
  },
);

it("not where that is not wanted: what is there is removed, and nothing is left", async () => {
  const folder = emptyFolder();
  await stopped(folder, 0.5);
  await stopped(folder, 0.5, { resume: false });
  expect(readdirSync(folder)).toEqual([]);
  await stopped(folder, 0.5);
  const { report } = await compile(folder, { resume: false });
  expect(report.packing.bytesKept).toBe(0);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  expect(readdirSync(folder)).toEqual(["out"]);
});

it("not while another process works on it", async () => {
  const folder = emptyFolder();
  const partial = join(folder, ".out.partial");
  mkdirSync(partial);
  writeFileSync(join(partial, "lock"), String(process.ppid));
  await expect(compile(folder)).rejects.toMatchObject({ code: "TRITC_E_OUT_BUSY" });
  expect(existsSync(join(partial, "lock"))).toBe(true);
  // A process that is gone holds nothing; files of somebody else stay.
  writeFileSync(join(partial, "lock"), "4194305");
  writeFileSync(join(partial, "notes.txt"), "not of the compiler");
  await compile(folder);
  expect(readdirSync(partial)).toEqual(["notes.txt"]);
});

it("SIGKILL at five random points: the next runs go on and give the same bytes", async () => {
  const main = await builtCli();
  const folder = emptyFolder();
  // No process lives long enough to earn back what optimizing its code costs; the loops that pack are WebAssembly.
  const argv = (out: string) => [
    ...["--no-opt", main, "compile", model, "--target", "cpu", "--memory", "500MB", "-o", join(folder, out)],
  ];
  const inWork = async (child: { readonly exitCode?: number | null }) => {
    while (!existsSync(join(folder, ".out.partial")) && child.exitCode === null) await setTimeout(2);
    return performance.now();
  };
  const first = execa("node", argv("out"), { reject: false });
  const began = await inWork(first);
  expect((await first).exitCode).toBe(0);
  const span = performance.now() - began;
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  cpSync(join(folder, "out"), join(folder, "old"), { recursive: true });
  rmSync(join(folder, "out"), { recursive: true });

  const next = uniform(Math.floor(span));
  let kills = 0;
  for (let i = 0; i < 5; i++) {
    const child = execa("node", argv("out"), { reject: false });
    await inWork(child);
    await setTimeout(0.9 * span * next());
    child.kill("SIGKILL");
    const { signal } = await child;
    if (signal === "SIGKILL") kills++;
    // Nothing, or all of it.
    if (existsSync(join(folder, "out"))) {
      expect(snapshot(join(folder, "out"))).toEqual(whole);
      rmSync(join(folder, "out"), { recursive: true });
    }
  }
  expect(kills).toBeGreaterThan(0);
  const last = await execa("node", argv("out"), { reject: false });
  expect(last.exitCode, last.stderr).toBe(0);
  expect(snapshot(join(folder, "out"))).toEqual(whole);
  expect(readdirSync(folder).sort()).toEqual(["old", "out"]);
}, 240_000);
