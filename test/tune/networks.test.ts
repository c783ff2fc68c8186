/** Tuning and measuring the networks of a pipeline, which are bundles inside the bundle. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { benchBundle } from "../../compiler/tune/bench-bundle.js";
import { programsOf } from "../../compiler/tune/programs.js";
import { subjectsOf } from "../../compiler/tune/subjects.js";
import { tuneBundle } from "../../compiler/tune/tune.js";
import { parseRecords } from "../../compiler/tuning/records.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { deviceKinds } from "../../targets/device-kind.js";
import { cpu } from "../../targets/index.js";
import { keyOf } from "../../templates/choice/configs.js";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { candidatesOneIn } from "../support/few-candidates.js";

const NETWORKS = ["transformer", "text_encoder", "text_encoder_2", "vae_decoder"];
const fewCandidates = candidatesOneIn(48, cpu);
const scratch = mkdtempSync(join(tmpdir(), "tritc-tune-networks-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let child: URL;
const made = join(scratch, "bundle");

beforeAll(async () => {
  child = new URL("../tune/child.js", pathToFileURL(await builtCli()));
  const options = ["--target", "cpu", "--resolution", "32x48,32x32"];
  const { code, stderr } = await cli(["compile", "test/models/diffusers/flux1", ...options, "-o", made]);
  expect(code, stderr).toBe(0);
}, 120_000);

describe("programsOf", () => {
  it("has the networks that a picture from text takes, at the sizes that the bundle was planned for", async () => {
    const bundle = await openBundle(made);
    const programs = await programsOf(bundle);
    expect(programs.map(({ name }) => name)).toEqual(NETWORKS);
    const byName = new Map(programs.map((program) => [program.name, program]));
    const { sampling } = bundle.manifest;
    expect(byName.get("transformer")?.runs).toBe(sampling?.steps);
    expect(byName.get("text_encoder")?.runs).toBe(1);
    expect(byName.get("text_encoder_2")?.sizes).toEqual([
      { tokens: sampling?.textLength },
      { tokens: sampling?.textLength },
    ]);
    // 8 pixels to a latent.
    const [first, second] = byName.get("vae_decoder")?.sizes ?? [];
    expect(first).toEqual({ latent_height: 6, latent_width: 4 });
    expect(second).toEqual({ latent_height: 4, latent_width: 4 });
    expect((await programsOf(bundle, ["vae_encoder"])).map(({ name }) => name)).toEqual(["vae_encoder"]);
    await expect(programsOf(bundle, ["unet"])).rejects.toThrow(/no compiled network of this name/);
  });
});

describe("subjectsOf", () => {
  it("counts launches of a prompt once for all steps", async () => {
    const [transformer] = await programsOf(await openBundle(made), ["transformer"]);
    const [kind] = deviceKinds(cpu);
    if (transformer === undefined || kind === undefined) return expect.fail();
    const { phases } = transformer.bundle.program;
    const launchesIn = (name: string, id: string) =>
      phases.find((phase) => phase.name === name)?.launches.filter(({ kernel }) => kernel === id).length ?? 0;
    const subjects = subjectsOf(transformer, cpu, kind);
    const onlyPrompt = subjects.filter(({ kernel }) => launchesIn("step", kernel.id) === 0);
    expect(onlyPrompt.some(({ kernel }) => kernel.id.startsWith("ternary-gemm"))).toBe(true);
    for (const { kernel, cases } of subjects) {
      const launches = cases.reduce((sum, { count }) => sum + count, 0) * transformer.runs;
      const [prompt, step, update] = ["prompt", "step", "euler"].map((name) => launchesIn(name, kernel.id));
      expect(launches, kernel.id).toBeCloseTo(
        (prompt ?? 0) + transformer.runs * ((step ?? 0) + (update ?? 0)),
      );
    }
  });
});

describe("tuneBundle", () => {
  const common = { threads: 1, budget: 60, kernels: ["dense-gemm"], variant: fewCandidates };

  it("leaves networks with other kernels in the bundle, which the outer manifest lists", async () => {
    const folder = join(scratch, "tuned");
    cpSync(made, folder, { recursive: true });
    const options = { ...common, bundle: folder, child, networks: ["text_encoder_2", "vae_decoder"] };
    const first = await tuneBundle(options);
    expect(first.networks.map(({ name }) => name)).toEqual(options.networks);
    for (const network of first.networks) expect(network.before).toBeGreaterThanOrEqual(network.after);
    expect(first.before).toBeCloseTo(
      first.networks.reduce((sum, { before, runs }) => sum + before * runs, 0),
    );
    for (const { faults } of first.kernels) expect(faults).toEqual({ wrong: 0, failed: 0, hung: 0 });
    const { manifest, openBelow } = await openBundle(folder);
    // All records lie in one file, and none in the networks.
    const records = manifest.files.filter(({ path }) => path.endsWith("tuning.jsonl"));
    expect(records.map(({ path }) => path)).toEqual(["tuning.jsonl"]);
    expect(parseRecords(readFileSync(join(folder, "tuning.jsonl"), "utf8"), "f")).toEqual(first.records);
    for (const name of options.networks) {
      const { program } = await openBelow(`pipeline/${name}`);
      const own = first.kernels.filter(({ network }) => network === name);
      expect(own.length).toBeGreaterThan(0);
      for (const { kernel, config } of own)
        expect(program.kernels.find(({ id }) => id === kernel)?.config).toEqual(config);
    }
    const verified = await cli(["verify", folder, "--threads", "1"]);
    expect(verified.code, verified.stderr).toBe(0);
    const second = await tuneBundle(options);
    expect(second.kernels.every(({ isKnown }) => isKnown)).toBe(true);
    expect(second.changed).toBe(0);
  });

  it("writes what records say into each network whose kernels they are of", async () => {
    const folder = join(scratch, "given");
    cpSync(made, folder, { recursive: true });
    const options = { ...common, bundle: folder, child, networks: ["text_encoder_2"] };
    const { records, kernels } = await tuneBundle(options);
    // One of the configs that were right and are not in the bundle, whatever it takes.
    const wanted = records.find(
      (entry) =>
        entry.kind === "measured" &&
        entry.outcome === "right" &&
        kernels.every(({ from }) => keyOf(from) !== keyOf(entry.config)),
    );
    if (wanted?.kind !== "measured") return expect.fail();
    const known = records.map((entry) =>
      entry.kind === "chosen" && entry.kernel === wanted.kernel
        ? { ...entry, config: wanted.config, code: wanted.code }
        : entry,
    );
    const fresh = join(scratch, "fresh");
    cpSync(made, fresh, { recursive: true });
    const before = parseManifest(readFileSync(join(fresh, "manifest.json"), "utf8"), "f");
    const report = await tuneBundle({ ...options, bundle: fresh, known });
    expect(report.networks).toMatchObject([{ name: "text_encoder_2", runs: 1 }]);
    expect(report.changed).toBeGreaterThan(0);
    const after = await openBundle(fresh);
    const hashOf = (files: typeof before.files, path: string) =>
      files.find((file) => file.path === path)?.sha256;
    for (const file of ["program.json", "manifest.json"]) {
      const path = `pipeline/text_encoder_2/${file}`;
      expect(hashOf(after.manifest.files, path)).not.toBe(hashOf(before.files, path));
    }
    // What is not the network's stays as it was.
    for (const { path, sha256 } of before.files)
      if (!path.startsWith("pipeline/text_encoder_2/"))
        expect(hashOf(after.manifest.files, path)).toBe(sha256);
    expect((await cli(["verify", fresh, "--threads", "1"])).code).toBe(0);
  });
});

describe("benchBundle", () => {
  it("measures each network by itself", async () => {
    const { networks } = await benchBundle({
      bundle: made,
      threads: 1,
      rounds: 1,
      child,
      kernels: ["dense"],
    });
    expect(networks.map(({ name }) => name)).toEqual(NETWORKS);
    for (const { name, kernels, step, sum, load } of networks) {
      expect(kernels.length, name).toBeGreaterThan(0);
      for (const { seconds, launches } of kernels) expect(seconds * launches).toBeGreaterThan(0);
      expect(Math.min(step, sum, load), name).toBeGreaterThan(0);
    }
  });
});
