import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodePng } from "../../runtime/node/png.js";
import { cli } from "../support/cli.js";
import { documentedKeys } from "../support/cli-docs.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-sample-"));
const bundle = join(folder, "bundle");
const at = (...path: readonly string[]) => join(folder, ...path);
const SHORT = ["--steps", "1", "--threads", "1"];

const OBJECTS = [
  { tag: "single_object", include: [{ class: "ring", count: 1 }], prompt: "a red ring" },
  { tag: "colors", include: [{ class: "cross", count: 1, color: "blue" }], prompt: "a blue cross" },
  { tag: "single_object", include: [{ class: "ring", count: 1 }], prompt: "a red ring" },
];

/** `tritc sample` on the bundle; what it printed as JSON. */
async function sample(...argv: readonly string[]) {
  const result = await cli(["sample", bundle, ...SHORT, "--json", ...argv]);
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as { readonly drawn: number; readonly kept: number };
}

/** What it says where it refuses. */
async function refusal(...argv: readonly string[]) {
  const { code, stderr } = await cli(["sample", bundle, ...SHORT, ...argv]);
  return { code, stderr };
}

/** The files of a folder, by path, in order. */
function files(path: string): ReadonlyMap<string, Buffer> {
  const names = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  const found = names.filter((name) => statSync(join(path, name)).isFile());
  return new Map(found.map((name) => [name, readFileSync(join(path, name))]));
}

beforeAll(async () => {
  const pipeline = writePipeline(at("pipeline"));
  const model = writeTransformer(at("model.onnx"), 64);
  const options = ["--target", "cpu", "--ternarize", "none", "--activations", "f32"];
  const { code, stderr } = await cli(["compile", model, "--pipeline", pipeline, ...options, "-o", bundle]);
  if (code !== 0) throw new Error(stderr);
  writeFileSync(at("set.jsonl"), OBJECTS.map((object) => `${JSON.stringify(object)}\n`).join(""));
  writeFileSync(at("set.txt"), "a red ring\r\n\r\na red/blue_ring.\t\r\na red ring\r\n");
  writeFileSync(at("set.tsv"), "Prompt\tCategory\tChallenge\tNote\na red ring\tAbstract\tBasic\t\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a set of GenEval", () => {
  const set = ["--prompts", at("set.jsonl"), "--images-per-prompt", "2", "--seed", "5"];

  it("has a folder for each prompt, with its object and pictures", async () => {
    const said = await sample(...set, "-o", at("geneval"));
    expect([...documentedKeys("sample")]).toEqual(expect.arrayContaining(Object.keys(said)));
    expect(said).toMatchObject({
      ...{ out: at("geneval"), layout: "geneval", prompts: 3, pictures: 6, drawn: 6, kept: 0 },
      secondsPerPicture: expect.any(Number),
    });
    const there = files(at("geneval"));
    const own = ["metadata.jsonl", "samples/00000.png", "samples/00001.png"];
    expect([...there.keys()]).toEqual(
      ["00000", "00001", "00002"].flatMap((prompt) => own.map((file) => `${prompt}/${file}`)),
    );
    for (const [i, object] of OBJECTS.entries()) {
      expect(JSON.parse(String(there.get(`0000${i}/metadata.jsonl`)))).toEqual(object);
    }
  });

  it("has the pictures that run draws alone", async () => {
    const alone = ["--prompt", "a blue cross", "--seed", "6", "-o", at("alone.png")];
    expect((await cli(["run", bundle, ...SHORT, ...alone])).code).toBe(0);
    const picture = readFileSync(at("geneval", "00001", "samples", "00001.png"));
    expect(picture).toEqual(readFileSync(at("alone.png")));
    expect(decodePng(picture).metadata).toMatchObject({ prompt: "a blue cross", seed: "6" });
  });

  it("goes on where it stopped, and keeps what is there", async () => {
    const before = files(at("geneval"));
    const kept = statSync(at("geneval", "00000", "samples", "00000.png")).mtimeMs;
    rmSync(at("geneval", "00001"), { recursive: true });
    rmSync(at("geneval", "00002", "samples", "00001.png"));
    expect(await sample(...set, "-o", at("geneval"))).toMatchObject({ drawn: 3, kept: 3 });
    expect(files(at("geneval"))).toEqual(before);
    expect(statSync(at("geneval", "00000", "samples", "00000.png")).mtimeMs).toBe(kept);
  });

  it("is the same in shares", async () => {
    const first = await sample(...set, "--shard", "1/2", "-o", at("shares"));
    expect(first).toMatchObject({ prompts: 2, pictures: 4, drawn: 4 });
    expect(readdirSync(at("shares"))).toEqual(["00000", "00002"]);
    expect(await sample(...set, "--shard", "2/2", "-o", at("shares"))).toMatchObject({ drawn: 2 });
    expect(files(at("shares"))).toEqual(files(at("geneval")));
    // Of another pipeline a picture does not tell.
    const again = await sample(...set, "--shard", "2/2", "--pipeline", at("pipeline"), "-o", at("shares"));
    expect(again).toMatchObject({ drawn: 2, kept: 0 });
  });

  it.each([
    ["other seeds", ["--seed", "4"], /00000\/samples\/00000\.png: this is not of the set[\s\S]*and 1 more/],
    ["fewer pictures", ["--images-per-prompt", "1"], /00000\/samples\/00001\.png: this is not of the set/],
    ["other prompts", ["--prompts", at("set.tsv")], /not of the set/],
    [
      "other guidance",
      ["--negative-prompt", "blue", "--true-cfg-scale", "2"],
      /00000\/samples\/00000\.png: this is not of the set/,
    ],
  ])("is refused where pictures of %s are, which stay", async (_, other, message) => {
    const before = files(at("geneval"));
    const { code, stderr } = await refusal(...set, ...other, "-o", at("geneval"));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/TRITC_E_OUT_EXISTS/);
    expect(files(at("geneval"))).toEqual(before);
  });

  it("is refused where what stands beside the pictures is of another prompt", async () => {
    writeFileSync(at("shares", "00001", "metadata.jsonl"), '{"prompt": "a ring"}');
    writeFileSync(at("shares", "00002", "samples", "00000.png"), "torn");
    const record = await refusal(...set, "-o", at("shares"));
    expect(record.stderr).toMatch(/00001\/metadata\.jsonl: this is not of the set/);
    const picture = await refusal(...set, "--shard", "1/2", "-o", at("shares"));
    expect(picture.stderr).toMatch(/00002\/samples\/00000\.png: this is not of the set/);
  });
});

describe("a set of T2I-CompBench", () => {
  it("has all pictures in one folder, prompt and number in their names", async () => {
    const set = ["--prompts", at("set.txt"), "--images-per-prompt", "2", "-o", at("compbench")];
    const { code, stdout, stderr } = await cli(["sample", bundle, ...SHORT, ...set]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/compbench: 3 prompts, 6 pictures drawn in .* each, 0 were there/);
    expect(stderr).toMatch(/1 prompt cannot be the name of a file as written/);
    expect([...files(at("compbench")).keys()]).toEqual(
      [
        ...["a red blue ring._000002.png", "a red blue ring._000003.png", "a red ring_000000.png"],
        ...["a red ring_000001.png", "a red ring_000004.png", "a red ring_000005.png"],
      ].map((name) => `samples/${name}`),
    );
    const { metadata } = decodePng(readFileSync(at("compbench", "samples", "a red blue ring._000003.png")));
    expect(metadata).toMatchObject({ prompt: "a red/blue_ring.", seed: "1" });
    const more = await refusal("--prompts", at("set.txt"), "--images-per-prompt", "1", "-o", at("compbench"));
    expect(more.stderr).toMatch(/_00000\d\.png: this is not of the set/);
  });

  it("ends whole with Ctrl-C, and goes on", async () => {
    const set = ["--prompts", at("set.jsonl"), "--layout", "compbench", "--images-per-prompt", "4"];
    const controller = new AbortController();
    const first = at("stopped", "samples", "a red ring_000000.png");
    const watch = setInterval(() => existsSync(first) && controller.abort(new Error("stopped")), 1);
    const argv = ["sample", bundle, ...SHORT, ...set, "-o", at("stopped")];
    const { code, stderr } = await cli(argv, { signal: controller.signal });
    clearInterval(watch);
    expect(code, stderr).toBe(1);
    const there = [...files(at("stopped"))];
    expect(there.length).toBeLessThan(12);
    for (const [name, bytes] of there) {
      expect(name).toMatch(/^samples\/a (red ring|blue cross)_\d{6}\.png$/);
      expect(decodePng(bytes).width).toBe(64);
    }
    expect(await sample(...set, "-o", at("stopped"))).toMatchObject({
      ...{ layout: "compbench", kept: there.length, drawn: 12 - there.length },
    });
  });
});

describe("sample", () => {
  it.each([
    ["a line that gives no prompt", ["--prompts", at("bad.jsonl")], 1, /bad\.jsonl, line 2: [\s\S]*_PROMPTS/],
    ["standard output", ["--prompts", at("set.txt"), "-o", "-"], 2, /a folder cannot be written/],
    ["a share beyond the last", ["--prompts", at("set.txt"), "--shard", "3/2"], 2, /such as 2\/8/],
    ["a layout that no scorer has", ["--prompts", at("set.txt"), "--layout", "x"], 2, /geneval, compbench/],
    [
      "more seeds than there are",
      ["--prompts", at("set.txt"), "--seed", "9007199254740990"],
      2,
      /--images-per-prompt: there are not so many seeds/,
    ],
    ["a file as the folder", ["--prompts", at("set.txt"), "-o", at("set.tsv")], 2, /set\.tsv/],
  ])("refuses %s", async (_, argv, exit, message) => {
    writeFileSync(at("bad.jsonl"), '{"prompt": "a"}\n{"tag": "b"}\n');
    const out = argv.includes("-o") ? [] : ["-o", at("none")];
    const { code, stderr } = await refusal(...argv, ...out);
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
    expect(existsSync(at("none"))).toBe(false);
  });
});
