/** The command line with models of the hub, as processes of their own. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { builtCli } from "../support/built-cli.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { blobName, COMMIT, FakeHub } from "../support/fake-hub.js";
import { TINY } from "../support/flux-style.js";
import { loraFile, PEFT } from "../support/lora-file.js";
import { contents, snapshot } from "../support/tree.js";

const shapes = join(import.meta.dirname, "../models/shapes");
const root = mkdtempSync(join(tmpdir(), "tritc-hub-cli-"));
let main = "";
let hub: FakeHub;
let home: string;
let style: Buffer;
let tiny: Readonly<Record<string, Uint8Array>>;

beforeAll(async () => {
  main = await builtCli();
  writeDiffusers(join(root, "tiny"), diffusersConfig(TINY), fluxModel(TINY).diffusers, 2);
  tiny = contents(join(root, "tiny"));
  const modules = [
    { name: "transformer.single_transformer_blocks.0.attn.to_q", roles: ["single.0.q"], rank: 2 },
  ];
  style = Buffer.from(loraFile(modules, fluxModel(TINY).weights, PEFT).bytes);
  hub = await FakeHub.open({
    "org/shapes": { files: contents(shapes) },
    "org/tiny": { files: tiny, refs: { "v1.0": "a".repeat(40) } },
    "org/gated": { files: tiny, gated: "hf_secret" },
    "org/style": { files: { "style.safetensors": style, "README.md": "", "sample.png": "" } },
  });
}, 240_000);
afterAll(async () => {
  await hub.close();
  rmSync(root, { recursive: true });
}, 120_000);
beforeEach(() => {
  home = mkdtempSync(join(root, "home-"));
  hub.enter(home);
});
afterEach(() => {
  hub.leave();
  rmSync(home, { recursive: true });
});

/** The command line in this process, which has the environment of the hub and a cache of its own. */
const run = (...argv: readonly string[]) => cli(argv);
/** The same as a process. */
const start = (...argv: readonly string[]) => execa("node", [main, ...argv], { reject: false });
const cached = (name: string) => join(home, "hub", `models--${name.replace("/", "--")}`);
/** A command that downloads the transformer. */
const EXPORT = ["export-onnx", "org/shapes", "--ternarize", "none"] as const;
const stored = () => hub.asked.filter(({ host }) => host === "store");

it("compile makes the bundle that it makes of the folder", { timeout: 120_000 }, async () => {
  const compiled = async (model: string, name: string) => {
    const out = join(home, name);
    const { code, stderr } = await run("compile", model, "--target", "cpu", "--quiet", "-o", out);
    expect([code, stderr]).toEqual([0, ""]);
    return snapshot(out);
  };
  const here = await compiled(shapes, "of-folder");
  expect(hub.asked).toEqual([]);
  expect(await compiled("org/shapes", "of-hub")).toEqual(here);
  const drawn = async (name: string, ...more: readonly string[]) => {
    const out = join(home, name);
    const asked = ["--prompt", "a red circle", "--steps", "1", "--quiet", "-o", out];
    const { code, stderr } = await run("run", join(home, "of-hub"), ...asked, ...more);
    expect([code, stderr]).toEqual([0, ""]);
    return readFileSync(out);
  };
  const own = await drawn("own.png");
  // A cache of its own: what comes is the pipeline, and not the transformer.
  Object.assign(process.env, hub.env(join(home, "other")));
  hub.asked.length = 0;
  expect(await drawn("around.png", "--pipeline", "org/shapes")).toEqual(own);
  const paths = readdirSync(join(home, "other"), { recursive: true, encoding: "utf8" });
  expect(paths.some((path) => path.endsWith("vae_decoder/model.onnx"))).toBe(true);
  expect(paths.some((path) => path.endsWith("transformer/model.onnx"))).toBe(false);
  Object.assign(process.env, hub.env(home));
  const files = readdirSync(join(cached("org/shapes"), "snapshots", COMMIT));
  expect(files).toContain("vae_decoder");
  expect(files).not.toContain("README.md");
  expect(files).not.toContain("eval");
});

it("merges an adapter of the hub as one that is here", { timeout: 120_000 }, async () => {
  const file = join(root, "style.safetensors");
  writeFileSync(file, style);
  const compiled = async (name: string, model: string, adapter: string) => {
    const out = join(home, name);
    const as = ["--target", "cpu", "--ternarize", "none", "--activations", "f32", "--resolution", "64x64"];
    const { code, stderr } = await run("compile", model, ...as, "--lora", adapter, "--quiet", "-o", out);
    expect([code, stderr]).toEqual([0, ""]);
    return readFileSync(join(out, "weights.safetensors"));
  };
  const here = await compiled("here", join(root, "tiny"), `${file}:0.5`);
  expect(await compiled("named", "org/tiny", "org/style/style.safetensors:0.5")).toEqual(here);
  expect(await compiled("only", "org/tiny", "org/style@main:0.5")).toEqual(here);
  expect(await compiled("whole", "org/tiny", "org/style")).not.toEqual(here);
  const { code, stderr } = await run(
    "compile",
    "org/tiny",
    "--target",
    "cpu",
    "--lora",
    "org/shapes",
    "-o",
    "x",
  );
  expect([code, stderr]).toEqual([1, expect.stringMatching(/pytorch_lora_weights[\s\S]*TRITC_E_HUB_FILES/)]);
});

it("says what comes, and how far it is", async () => {
  const { code, stderr, stdout } = await run("inspect", "org/tiny", "--json", "--progress", "json");
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ model: { doubleBlocks: 1, singleBlocks: 2 } });
  const events = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const bytes = Object.entries(tiny).flatMap(([path, { length }]) =>
    /\.safetensors$/.test(path) ? length : [],
  );
  const total = bytes.reduce((sum, length) => sum + length, 0);
  expect(bytes.length).toBe(2);
  expect(events.findLast(({ phase }) => phase === "downloading")).toMatchObject({
    ...{ event: "progress", unit: "bytes", done: total, total },
  });
  const notes = events.flatMap(({ event, text }) => (event === "note" ? [text] : []));
  expect(notes.join("\n")).toMatch(
    /org\/tiny: downloading 2 files, [\d.]+ [kM]B of main \(commit 01234567\) to /,
  );
});

it("works offline with what is there", async () => {
  const online = await run("inspect", "org/tiny@v1.0", "--json");
  expect(online.code, online.stderr).toBe(0);
  hub.asked.length = 0;
  const again = async (...argv: readonly string[]) => {
    const { code, stdout, stderr } = await run("inspect", ...argv, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(online.stdout);
  };
  await again("org/tiny", "--revision", "v1.0", "--offline");
  await again("org/tiny@v1.0");
  process.env.HF_HUB_OFFLINE = "1";
  await again("org/tiny", "--revision", "a".repeat(40));
  const { code, stdout } = await run("inspect", "org/tiny", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: "TRITC_E_HUB_OFFLINE", expected: join(cached("org/tiny"), "refs/main") },
  });
  expect(hub.asked).toEqual([]);
});

it("reads the token where it is kept, and prints it nowhere", async () => {
  const refused = await run("inspect", "org/gated");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("[TRITC_E_HUB_ACCESS]")]);
  const wrong = await run("inspect", "org/gated", "--token", "hf_wrong");
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.not.stringContaining("hf_wrong")]);
  writeFileSync(join(home, "token"), "hf_secret\n");
  const { code, stdout, stderr } = await run("inspect", "org/gated");
  expect(code, stderr).toBe(0);
  expect(stdout + stderr).not.toContain("hf_secret");
  expect(new Set(stored().map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
});

it.each([
  ["compile", "org/tiny", "--target", "abacus", "-o", "b"],
  ["compile", "org/tiny", "--target", "cpu", "-o", "-"],
  ["inspect", "org/tiny", "--target", "abacus"],
  ["report", "org/tiny", "-o", "r.html"],
  ["eval", "org/tiny", "--inputs", "none.safetensors", "-o", "o.safetensors"],
  ["inspect", "./org/tiny"],
  ["inspect", "org/tiny.safetensors"],
  ["inspect", ".", "--revision", "main"],
  ["compare", "org/tiny", "org/tiny"],
  ["calibrate", "org/tiny", "-o", "c"],
  ["distill", "org/tiny", "-o", "d"],
])("%s %s asks nobody where the command line is wrong, or means a path: %s %s", async (...argv) => {
  expect((await run(...argv)).code).not.toBe(0);
  expect(hub.asked).toEqual([]);
});

it("two at once share one download", { timeout: 120_000 }, async () => {
  const out = (i: number) => join(home, `${i}.onnx`);
  const both = await Promise.all([1, 2].map((i) => start(...EXPORT, "-o", out(i))));
  for (const { exitCode, stderr } of both) expect(exitCode, stderr).toBe(0);
  expect(statSync(out(1)).size).toBe(statSync(out(2)).size);
  const data = stored().map(({ path }) => path);
  expect(new Set(data).size).toBe(data.length);
  const left = readdirSync(join(cached("org/shapes"), "blobs")).filter((name) => name.includes("."));
  expect(left).toEqual([]);
});

it.each(["SIGINT", "SIGKILL"] as const)("%s leaves what the next one goes on from", async (signal) => {
  const data = readFileSync(join(shapes, "transformer/model.onnx_data"));
  let isHeld = false;
  const half = new Promise<void>((resolve) => {
    hub.answer = (request, response, { host }) => {
      if (host !== "store" || request.url !== `/${blobName(data)}` || isHeld) return false;
      isHeld = true;
      response.writeHead(200, { "content-length": data.length });
      response.write(data.subarray(0, 9_000_000), () => setTimeout(resolve, 500));
      return true;
    };
  });
  const first = start(...EXPORT, "-o", join(home, "first.onnx"));
  await half;
  first.kill(signal);
  const { exitCode, stderr } = await first;
  if (signal === "SIGINT")
    expect([exitCode, stderr]).toEqual([130, expect.stringContaining("TRITC_E_INTERRUPTED")]);
  const [partial = ""] = readdirSync(join(cached("org/shapes"), "blobs")).filter((name) =>
    name.includes("."),
  );
  expect(partial).toMatch(/^[0-9a-f]{64}\.tritc\.incomplete$/);
  const { size } = statSync(join(cached("org/shapes"), "blobs", partial));
  expect(size).toBeGreaterThan(1_000_000);
  hub.asked.length = 0;
  const again = await start(...EXPORT, "-o", join(home, "again.onnx"));
  expect(again.exitCode, again.stderr).toBe(0);
  expect(stored().map(({ range }) => range)).toEqual([`bytes=${size}-${data.length - 1}`]);
  expect(existsSync(join(cached("org/shapes"), "blobs", partial))).toBe(false);
});
