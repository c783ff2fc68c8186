import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
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
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assembleWat } from "../../compiler/codegen/assemble-wat.js";
import type { CompileReport } from "../../compiler/compile-report.js";
import { benchBundle } from "../../compiler/tune/bench-bundle.js";
import { DeviceProcess } from "../../compiler/tune/device-process.js";
import { programsOf } from "../../compiler/tune/programs.js";
import type { SearchContext } from "../../compiler/tune/search-context.js";
import { type Subject, subjectsOf } from "../../compiler/tune/subjects.js";
import { type TuneOptions, tuneBundle } from "../../compiler/tune/tune.js";
import { tuneAll } from "../../compiler/tune/tune-all.js";
import { makeVariant } from "../../compiler/tune/variants.js";
import { isTunedFor } from "../../compiler/tuning/bundle-records.js";
import { type Finding, parseRecords, printRecords, Records } from "../../compiler/tuning/records.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { candidatesOneIn } from "../support/few-candidates.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";

const fewCandidates = candidatesOneIn(48, cpu);
const scratch = mkdtempSync(join(tmpdir(), "tritc-tune-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const SMALL = ["--target", "cpu", "--resolution", "64x64", "--text-length", "48"];
/** What a search may have come to for a kernel of any bundle. */
const FINDING: Finding = {
  ...{ kind: "chosen", device: "that", deviceKind: deviceKinds(cpu)[0]?.name ?? "", rows: [1], code: "c0" },
  ...{ kernel: "ternary-gemm {}", config: { variant: "int8" } },
  ...{ before: 2, after: 1, spread: 0, tried: 1, candidates: 1 },
};
let child: URL;
let made: string;

beforeAll(async () => {
  const { torchscript = expect.fail() } = STYLES;
  child = new URL("../tune/child.js", pathToFileURL(await builtCli()));
  const model = join(scratch, "tiny.onnx");
  writeFileSync(model, buildFlux(torchscript, TINY));
  made = join(scratch, "bundle");
  const { code, stderr } = await cli(["compile", model, ...SMALL, "-o", made]);
  expect(code, stderr).toBe(0);
});

/** A copy of the bundle that may be tuned. */
function bundle(name: string): string {
  const copy = join(scratch, name);
  cpSync(made, copy, { recursive: true });
  return copy;
}

const tune = (options: Pick<TuneOptions, "bundle"> & Partial<TuneOptions>) =>
  tuneBundle({
    budget: 60,
    threads: 1,
    kernels: ["ternary-gemm-32x32", "ternary-gemm-32x192"],
    child,
    variant: fewCandidates,
    ...options,
  });

/** A kernel of the cpu target that never ends, or one that does nothing. */
const module = (body: string) =>
  assembleWat(
    `(module (import "env" "memory" (memory 1 65536 shared)) (func (export "run") (param i32 i32 i32) ${body}))`,
    "test",
  );

describe("tuneBundle", () => {
  it("leaves a bundle that computes the same, with records that a second run believes", async () => {
    const folder = bundle("twice");
    const first = await tune({ bundle: folder });
    expect(first.kernels.length).toBeGreaterThan(1);
    expect(first.kernels.every(({ isKnown, tried }) => !isKnown && tried > 0)).toBe(true);
    // Nothing that fits the limits of the cpu target gives other bits.
    for (const { faults } of first.kernels) expect(faults).toEqual({ wrong: 0, failed: 0, hung: 0 });
    const { program, manifest } = await openBundle(folder);
    expect(manifest.files.map(({ path }) => path)).toContain("tuning.jsonl");
    for (const { kernel, config } of first.kernels)
      expect(program.kernels.find(({ id }) => id === kernel)?.config).toEqual(config);
    const verified = await cli(["verify", folder, "--threads", "1"]);
    expect(verified.stderr).toBe("");
    expect(verified.code).toBe(0);
    const second = await tune({ bundle: folder });
    expect(second.kernels.every(({ isKnown }) => isKnown)).toBe(true);
    expect(second.changed).toBe(0);
    expect(second.after).toBeCloseTo(first.after);
    const third = await tune({ bundle: folder, again: true });
    expect(third.kernels.every(({ isKnown, tried }) => !isKnown && tried > 0)).toBe(true);
  });

  it("goes on where a search ended for want of time once it has more, and only then", async () => {
    const { records, kernels } = await tune({ bundle: bundle("whole") });
    expect(kernels.every(({ tried, candidates }) => tried === candidates)).toBe(true);
    const known = records.map((entry) =>
      entry.kind === "chosen" ? { ...entry, tried: entry.candidates - 1, budget: 30 } : entry,
    );
    const same = await tune({ bundle: bundle("as-long"), budget: 30, known });
    expect(same.kernels.every(({ isKnown }) => isKnown)).toBe(true);
    const more = await tune({ bundle: bundle("longer"), budget: 60, known });
    expect(more.kernels.every(({ isKnown }) => !isKnown)).toBe(true);
    for (const { tried, candidates } of more.kernels) expect(tried).toBe(candidates);
    const findings = more.records.filter((entry) => entry.kind === "chosen");
    expect(findings.map((entry) => entry.kind === "chosen" && entry.budget)).toEqual(findings.map(() => 60));
  });

  it("says what it has no time for, how much would be enough, and keeps to its budget", async () => {
    const notices: string[] = [];
    const folder = bundle("short");
    const report = await tune({ bundle: folder, budget: 0.01, onNotice: (text) => notices.push(text) });
    expect(report.unmeasured.length).toBeGreaterThan(1);
    expect(report.kernels).toEqual([]);
    expect(notices.join()).toMatch(
      /budget of 10\.0 ms has no time.*`--budget \d+s` is about the least for all/,
    );
    expect((await cli(["verify", folder, "--threads", "1"])).code).toBe(0);
  });

  it("survives candidates that hang and that compute something else, and says so", async () => {
    const folder = bundle("hostile");
    const hanging = await module("(loop $forever (br $forever))");
    const idle = await module("");
    const seen: string[] = [];
    const variant: SearchContext["variant"] = async (subject, config) => {
      const made = await fewCandidates(subject, config);
      const isPresent = keyOf(config) === keyOf(subject.present);
      if (made === undefined || isPresent) return made;
      const hangs = seen.length === 0;
      seen.push(keyOf(config));
      return { ...made, code: { source: hangs ? "hangs" : "idle", binary: hangs ? hanging : idle } };
    };
    const { kernels, changed, records } = await tune({ bundle: folder, variant });
    expect(changed).toBe(0);
    expect(kernels.reduce((sum, { faults }) => sum + faults.hung, 0)).toBe(1);
    expect(kernels.reduce((sum, { faults }) => sum + faults.wrong, 0)).toBeGreaterThan(0);
    expect((await cli(["verify", folder, "--threads", "1"])).code).toBe(0);
    // What is known to be no good is not run again: the same code would turn out right here.
    seen.length = 0;
    const again: SearchContext["variant"] = async (subject, config) => {
      const [made, right] = [await variant(subject, config), await fewCandidates(subject, config)];
      return made && right && { ...made, code: { ...made.code, binary: right.code.binary } };
    };
    const known = records.filter(({ kind }) => kind === "measured");
    const second = await tune({ bundle: bundle("warned"), variant: again, known });
    expect(second.kernels.reduce((sum, { faults }) => sum + faults.hung, 0)).toBe(1);
  });

  it("leaves kernels as they are whose process ends, and says so", async () => {
    const folder = bundle("killed");
    const dying = join(scratch, "dying.mjs");
    // Each kernel is loaded once to see what a launch takes, and then with as many as make a long run.
    const dies = `import ${JSON.stringify(child.href)};
      let loads = 0;
      process.on("message", ([name]) => name === "load" && ++loads === 2 && process.kill(process.pid, "SIGKILL"));`;
    writeFileSync(dying, dies);
    const notices: string[] = [];
    const onNotice = (text: string) => notices.push(text);
    const options = { bundle: folder, child: pathToFileURL(dying) };
    const { unmeasured, kernels } = await tune({ ...options, onNotice });
    expect(kernels).toEqual([]);
    expect(unmeasured.length).toBeGreaterThan(1);
    for (const { why } of unmeasured) expect(why).toMatch(/ended \(SIGKILL\)/);
    expect(notices.length).toBe(unmeasured.length);
    expect(notices[0]).toMatch(/ternary-gemm\S+ stays as it is: .*ended \(SIGKILL\)/);
    expect((await cli(["verify", folder, "--threads", "1"])).code).toBe(0);
    const bench = benchBundle({ ...options, rounds: 1, threads: 1, kernels: ["ternary-gemm-32x32"] });
    await expect(bench).rejects.toMatchObject({ code: "TRITC_E_KERNEL_TRAP" });
    await expect(bench).rejects.toThrow(/ternary-gemm-32x32\S*, \d+ rows: .*ended/);
  });

  it("is done with candidates that it has no time for, as far as progress goes", async () => {
    const opened = await openBundle(made);
    const [program = expect.fail()] = await programsOf(opened);
    const kind = deviceKinds(cpu)[0] ?? expect.fail();
    const subjects = subjectsOf(program, cpu, kind).slice(0, 2);
    const process = {
      ...{ until: 0, has: () => true, load: async () => ({ results: "", seconds: 9 }) },
      ...{ time: async () => [9], free: async () => undefined, freeAll: async () => undefined },
    };
    const context = {
      ...{ process, device: "this one", records: new Records(), note: async () => undefined },
      variant: (subject: Subject, config: KernelConfig) => makeVariant(subject, config, cpu, undefined),
    } as unknown as Omit<SearchContext, "onCandidate">;
    const events: (readonly [string, number, number])[] = [];
    const { tuned } = await tuneAll(subjects, context, {
      ...{ budget: 9, end: performance.now() + 9000, again: false, onNotice: () => undefined },
      onProgress: (...event) => void events.push(event),
    });
    expect(tuned.map(({ result }) => result.tried)).toEqual([0, 0]);
    const total = subjects.reduce((sum, { candidates }) => sum + candidates.length, 0);
    expect(events.at(-1)).toEqual(["candidates", total, total]);
  });

  it("passes on what the process says that opens the device", async () => {
    const none = new DeviceProcess({ target: "abacus", child });
    await expect(none.opened()).rejects.toMatchObject({ code: "TRITC_E_TARGET" });
    none.close();
  });

  it("goes on from its journal where it was stopped, and changes nothing before its end", async () => {
    const folder = bundle("stopped");
    const before = readFileSync(join(folder, "manifest.json"), "utf8");
    const stopped = async () => {
      const stop = new AbortController();
      const onProgress: TuneOptions["onProgress"] = ({ phase, done }) =>
        phase === "candidates" && done > 2 && stop.abort();
      await expect(tune({ bundle: folder, signal: stop.signal, onProgress })).rejects.toThrow();
    };
    await stopped();
    expect(readFileSync(join(folder, "manifest.json"), "utf8")).toBe(before);
    const work = join(scratch, ".stopped.partial");
    const journal = join(work, "journal");
    const found = parseRecords(readFileSync(journal, "utf8"), "f");
    expect(found.length).toBeGreaterThan(0);
    // A full disk may leave the beginning of a record.
    appendFileSync(journal, '{"kind":"meas');
    await expect(tune({ bundle: folder, rows: [49] })).rejects.toThrow(/no kernel is meant/);
    await stopped();
    const more = parseRecords(readFileSync(journal, "utf8"), "f");
    expect(more.slice(0, found.length)).toEqual(found);
    expect(more.length).toBeGreaterThan(found.length);
    const notices: string[] = [];
    await tune({ bundle: folder, onNotice: (text) => notices.push(text) });
    expect(notices.join()).toMatch(/going on from the unfinished work/);
    expect(existsSync(work)).toBe(false);
    expect(readdirSync(folder)).toContain("tuning.jsonl");
  });

  it("leaves unfinished work of other commands alone", async () => {
    const folder = bundle("compiled");
    const work = join(scratch, ".compiled.partial");
    mkdirSync(join(work, "bundle"), { recursive: true });
    const files = { journal: "0123456789abcdef {}\n", [join("bundle", "weights.safetensors")]: "half" };
    for (const [path, text] of Object.entries(files)) writeFileSync(join(work, path), text);
    await expect(tune({ bundle: folder })).rejects.toThrow(
      /unfinished work of another command(.|\n)*compile/,
    );
    for (const [path, text] of Object.entries(files))
      expect(readFileSync(join(work, path), "utf8")).toBe(text);
  });

  it("gives records to a compilation, which takes their configs", async () => {
    const folder = bundle("records");
    const { records, kernels } = await tune({ bundle: folder });
    const file = join(scratch, "records.jsonl");
    const forced = records.map((entry) =>
      entry.kind === "chosen" && entry.kernel.startsWith("ternary-gemm")
        ? { ...entry, config: { ...entry.config, tileM: 128 } }
        : entry,
    );
    writeFileSync(file, forced.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    const out = join(scratch, "with-records");
    const model = join(scratch, "tiny.onnx");
    const { code, stdout, stderr } = await cli([
      "compile",
      model,
      ...SMALL,
      "-o",
      out,
      "--tuning",
      file,
      "--json",
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).not.toMatch(/records/);
    const { tuning } = JSON.parse(stdout) as CompileReport;
    const findings = records.filter(({ kind }) => kind === "chosen").length;
    expect(tuning).toEqual({ findings, kernels: kernels.length, why: null });
    const { program } = await openBundle(out);
    const tuned = kernels.filter(({ family }) => family === "ternary-gemm").map(({ kernel }) => kernel);
    expect(tuned.length).toBeGreaterThan(0);
    for (const id of tuned)
      expect(program.kernels.find((kernel) => kernel.id === id)?.config.tileM).toBe(128);
    expect((await cli(["verify", out, "--threads", "1"])).code).toBe(0);
  });

  it.each([
    ["none", [], /which config is best/],
    ["another device's", [{ ...FINDING, deviceKind: "sm_80" }], /of other devices \(sm_80\)/],
    ["another kernel's", [{ ...FINDING, kernel: "dense-gemm {}" }], /of other kernels/],
  ])("says where a compilation was given records, and takes %s", async (what, found, why) => {
    const file = join(scratch, `${what}.jsonl`);
    writeFileSync(file, printRecords(found));
    const argv = ["compile", join(scratch, "tiny.onnx"), ...SMALL, "-o", join(scratch, what)];
    const { code, stdout, stderr } = await cli([...argv, "--tuning", file, "--json"]);
    expect(code, stderr).toBe(0);
    const lines = stderr.split("\n").filter((line) => line.includes("records"));
    expect(lines).toEqual([expect.stringMatching(/^no kernel gets its config from the given records: /)]);
    expect(lines[0]).toMatch(why);
    const { tuning } = JSON.parse(stdout) as CompileReport;
    expect(tuning).toMatchObject({ findings: found.length, kernels: 0 });
  });

  it("leaves out records that another version has made, says so, and measures anew", async () => {
    const folder = bundle("strange");
    const line = '{"kind":"guessed","device":"this"}\n';
    writeFileSync(join(folder, "tuning.jsonl"), line);
    const file = join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as { files: { path: string }[] };
    const sha256 = createHash("sha256").update(line).digest("hex");
    manifest.files.push({ path: "tuning.jsonl", ...{ bytes: line.length, sha256 } });
    manifest.files.sort((a, b) => (a.path < b.path ? -1 : 1));
    writeFileSync(file, JSON.stringify(manifest));
    expect(await isTunedFor(await openBundle(folder), "this")).toBe(false);
    const notices: string[] = [];
    const options = { bundle: folder, kernels: ["ternary-gemm-32x192"], rows: [50] };
    const { records } = await tune({ ...options, onNotice: (text) => notices.push(text) });
    expect(notices.join()).toMatch(/tuning\.jsonl:1: .*of another version and are left out/);
    expect(records.length).toBeGreaterThan(1);
    expect(parseRecords(readFileSync(join(folder, "tuning.jsonl"), "utf8"), "f")).toEqual(records);
  });

  it("says of a folder that is no bundle that it is none", async () => {
    const folder = join(scratch, "model");
    mkdirSync(folder);
    writeFileSync(join(folder, "model_index.json"), "{}");
    await expect(tune({ bundle: folder })).rejects.toThrow(/not a bundle\n.*manifest\.json/s);
    expect(readdirSync(folder)).toEqual(["model_index.json"]);
  });

  it("refuses names of no kernel", async () => {
    const folder = bundle("none");
    await expect(tune({ bundle: folder, kernels: ["teleport"] })).rejects.toThrow(/no kernel is meant/);
    const none = tune({ bundle: folder, rows: [49] });
    await expect(none).rejects.toThrow(/--kernels ternary-gemm-32x32,\S+ --rows 49: no kernel.*\(rows 50\)/s);
    const bench = benchBundle({ bundle: folder, kernels: ["teleport"], rounds: 1, child });
    await expect(bench).rejects.toThrow(/no kernel of a step is meant/);
  });
});
