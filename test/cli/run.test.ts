import {
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import { latentGeometry } from "../../ir/models/flux1/latents.js";
import type { Tensor } from "../../ir/tensor.js";
import { openBundle } from "../../runtime/node/bundle.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { decodePng, encodePng } from "../../runtime/node/png.js";
import { initialLatents } from "../../runtime/noise.js";
import { cli } from "../support/cli.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-run-"));
const bundle = join(folder, "bundle");
const at = (...path: readonly string[]) => join(folder, ...path);
const SHORT = ["--steps", "1", "--threads", "1"];

/** `tritc run` on the bundle; what it printed as JSON. */
async function run(...argv: readonly string[]) {
  const result = await cli(["run", bundle, ...SHORT, "--json", ...argv]);
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as {
    readonly pictures: readonly { out: string; prompt: string; seed: number; kept: boolean }[];
    readonly width: number;
    readonly height: number;
    readonly steps: number;
  };
}

/** What it says where it refuses. */
async function refusal(...argv: readonly string[]) {
  const { code, stderr } = await cli(["run", bundle, ...SHORT, ...argv]);
  return { code, stderr };
}

beforeAll(async () => {
  const pipeline = writePipeline(at("pipeline"));
  const model = writeTransformer(at("model.onnx"), 64);
  const options = ["--target", "cpu", "--ternarize", "none", "--activations", "f32"];
  const { code, stderr } = await cli(["compile", model, "--pipeline", pipeline, ...options, "-o", bundle]);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the pipeline of a bundle", () => {
  const encoder = () => join(bundle, "pipeline", "text_encoder", "model.onnx");

  it("has no files beside those that the manifest lists: they would be read without their hash", async () => {
    const stranger = join(encoder(), "..", "model.onnx_data");
    writeFileSync(stranger, "weights of somebody");
    const { code, stderr } = await refusal("--prompt", "p", "-o", at("stranger.png"));
    rmSync(stranger);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /model\.onnx_data: the bundle's file is not in the manifest[\s\S]*TRITC_E_BUNDLE_FILE/,
    );
    expect(existsSync(at("stranger.png"))).toBe(false);
  });

  it("is what was hashed when the bundle was opened", async () => {
    const generator = await openGenerator(bundle, { threads: 1 });
    const { atime, mtime } = statSync(encoder());
    const bytes = readFileSync(encoder());
    writeFileSync(encoder(), Buffer.from(bytes).fill(0, bytes.length - 1));
    utimesSync(encoder(), atime, mtime);
    await expect(generator.generate({ prompt: "p", steps: 1 })).rejects.toMatchObject({
      code: "TRITC_E_BUNDLE_FILE",
      message: expect.stringMatching(/changed after it was opened/),
    });
    writeFileSync(encoder(), bytes);
    await generator.close();
  });

  it("may be shared with a bundle that is made meanwhile, as by `tritc tune`: links change no byte", async () => {
    const opened = await openBundle(bundle);
    linkSync(encoder(), at("linked.onnx"));
    await opened.checkBelow("pipeline");
    const bytes = readFileSync(encoder());
    writeFileSync(encoder(), Buffer.from(bytes).fill(0, bytes.length - 1));
    // What was looked at does not become what was hashed.
    for (let i = 0; i < 2; i++)
      await expect(opened.checkBelow("pipeline")).rejects.toThrow(/changed after it was opened/);
    writeFileSync(encoder(), bytes);
    await opened.checkBelow("pipeline");
  });
});

describe("run", () => {
  it("draws at the pipeline's size, and counts in its steps", async () => {
    const { width, height } = await run("--prompt", "a ring", "-o", at("one.png"));
    expect([width, height]).toEqual([64, 64]);
    expect(decodePng(readFileSync(at("one.png")))).toMatchObject({
      width: 64,
      metadata: { prompt: "a ring", seed: "0", steps: "1", guidance: "3.5", size: "64x64" },
    });
    const manifest: unknown = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8"));
    expect(manifest).toMatchObject({ sampling: { steps: 50, guidance: 3.5, textLength: 12 } });
    expect(readFileSync(join(bundle, "index.d.ts"), "utf8")).toMatch(
      /Denoising steps; 50 if absent[\s\S]*Guidance scale; 3.5 if absent[\s\S]*Pixels; 64 if absent/,
    );
  });

  it("draws several with seeds in a row, each as it is drawn alone, and goes on where it stopped", async () => {
    const first = await run("--prompt", "a ring", "--seed", "5", "--count", "2", "-o", at("many.png"));
    expect(first.pictures.map(({ out, seed, kept }) => [out, seed, kept])).toEqual([
      [at("many-0001.png"), 5, false],
      [at("many-0002.png"), 6, false],
    ]);
    await run("--prompt", "a ring", "--seed", "6", "-o", at("alone.png"));
    expect(readFileSync(at("many-0002.png"))).toEqual(readFileSync(at("alone.png")));

    const before = statSync(at("many-0001.png")).mtimeMs;
    writeFileSync(at("many-0002.png"), "torn");
    const more = await run("--prompt", "a ring", "--seed", "5", "--count", "3", "-o", at("many.png"));
    expect(more.pictures.map(({ kept }) => kept)).toEqual([true, false, false]);
    expect(statSync(at("many-0001.png")).mtimeMs).toBe(before);
    expect(readFileSync(at("many-0002.png"))).toEqual(readFileSync(at("alone.png")));
    // Another prompt is another picture, whatever lies there.
    const other = await run("--prompt", "a cross", "--seed", "5", "--count", "1", "-o", at("many.png"));
    expect(other.pictures.map(({ kept }) => kept)).toEqual([false]);
  });

  it("draws the prompts of a file into a folder, or under names with numbers and seeds", async () => {
    writeFileSync(at("prompts.txt"), "a red ring\n\n  a blue cross \r\n");
    const { pictures } = await run("--prompts", at("prompts.txt"), "-o", at("pictures"));
    expect(pictures.map(({ prompt, seed }) => [prompt, seed])).toEqual([
      ["a red ring", 0],
      ["a blue cross", 0],
    ]);
    expect(readdirSync(at("pictures"))).toEqual(["0001.png", "0002.png"]);
    expect(decodePng(readFileSync(at("pictures", "0002.png"))).metadata.prompt).toBe("a blue cross");
    await run("--prompts", at("prompts.txt"), "--count", "2", "-o", at("named", "{seed}-{n}.png"));
    expect(readdirSync(at("named"))).toEqual(["0-0001.png", "0-0003.png", "1-0002.png", "1-0004.png"]);
  });

  it("draws a set of GenEval as the prompts in it, and says which line gives none", async () => {
    writeFileSync(at("set.jsonl"), '{"tag": "a", "prompt": "a red ring"}\n');
    const { pictures } = await run("--prompts", at("set.jsonl"), "-o", at("pictures"));
    expect(pictures).toEqual([
      { out: at("pictures", "0001.png"), prompt: "a red ring", seed: 0, kept: true },
    ]);
    writeFileSync(at("set.jsonl"), '{"prompt": "a red ring"}\n{"tag": "a"}\n');
    const { code, stderr } = await refusal("--prompts", at("set.jsonl"), "-o", at("pictures"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/set\.jsonl, line 2: this line gives no prompt[\s\S]*TRITC_E_PROMPTS/);
  });

  it("refuses names that two pictures would share", async () => {
    const { code, stderr } = await refusal("--prompts", at("prompts.txt"), "-o", at("{seed}.png"));
    expect(code).toBe(2);
    expect(stderr).toMatch(/several pictures would have one name[\s\S]*\{n\}/);
  });

  it("takes prompts from standard input", async () => {
    const stdin = new TextEncoder().encode("a ring\n");
    const { code, stdout } = await cli(
      ["run", bundle, ...SHORT, "--json", "--prompts", "-", "-o", at("piped")],
      { stdin },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      pictures: [{ prompt: "a ring", out: at("piped", "0001.png") }],
    });
  });

  it("begins with given latents, and writes the last ones", async () => {
    const geometry = latentGeometry(64, 64);
    const noise = initialLatents(9, geometry);
    const write = (name: string, tensors: ReadonlyMap<string, Tensor>) =>
      writeFileSync(at(name), serialize(tensors));
    write("noise.safetensors", new Map([["latents", { dtype: "f32", shape: [1, 16, 64], data: noise }]]));
    await run("--prompt", "a ring", "--seed", "9", "--latents-out", at("a.safetensors"), "-o", at("a.png"));
    const given = ["--latents", at("noise.safetensors"), "--latents-out", at("b.safetensors")];
    await run("--prompt", "a ring", ...given, "-o", at("b.png"));
    expect(readFileSync(at("b.safetensors"))).toEqual(readFileSync(at("a.safetensors")));
    expect(decodePng(readFileSync(at("b.png"))).rgb).toEqual(decodePng(readFileSync(at("a.png"))).rgb);
    const result = parseSafetensors(new Uint8Array(readFileSync(at("a.safetensors")))).get("result");
    expect(result).toMatchObject({ dtype: "f32", shape: [1, 16, 64] });
    expect([...(result?.data ?? [])]).not.toEqual([...noise]);

    write("wrong.safetensors", new Map([["latents", { dtype: "f32", shape: [1, 64, 16], data: noise }]]));
    write("other.safetensors", new Map([["noise", { dtype: "f32", shape: [1, 16, 64], data: noise }]]));
    const half = { dtype: "f32", shape: [1, 8, 64], data: noise.slice(0, 512) } as const;
    write("half.safetensors", new Map([["latents", half]]));
    for (const [file, message] of [
      ["wrong", /\[1, tokens, 64\][\s\S]*found: {4}\[1, 64, 16\]/],
      ["other", /a tensor `latents`[\s\S]*found: {4}noise/],
      ["half", /latents of another size/],
    ] as const) {
      const { stderr } = await refusal(
        ...["--prompt", "p", "--latents", at(`${file}.safetensors`), "-o", at("x.png")],
      );
      expect(stderr).toMatch(message);
    }
    expect(existsSync(at("x.png"))).toBe(false);
  });

  it("begins with a picture, which is drawn anew as far as asked, and elsewhere than the mask stays", async () => {
    const size = { width: 64, height: 64 };
    const gray = (level: (x: number) => number) =>
      encodePng({
        ...size,
        rgb: Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => level(Math.floor(i / 3) % 64)),
      });
    writeFileSync(
      at("begin.png"),
      gray((x) => 4 * x),
    );
    writeFileSync(
      at("half.png"),
      gray((x) => (x < 32 ? 0 : 255)),
    );
    const draw = async (name: string, ...more: readonly string[]) => {
      const argv = ["--prompt", "a ring", "--steps", "4", "--image", at("begin.png"), ...more];
      const { steps } = await run(
        ...argv,
        "--latents-out",
        at(`${name}.safetensors`),
        "-o",
        at(`${name}.png`),
      );
      const result = parseSafetensors(new Uint8Array(readFileSync(at(`${name}.safetensors`)))).get("result");
      return { steps, latents: Array.from(result?.data ?? [], Number) };
    };
    const [usual, little] = [await draw("usual"), await draw("little", "--strength", "0.25")];
    // Of four steps the last 4 − ⌊4 − 4·0.6⌋ and one.
    expect([usual.steps, little.steps]).toEqual([3, 1]);
    expect(little.latents).not.toEqual(usual.latents);
    expect(decodePng(readFileSync(at("little.png"))).metadata).toMatchObject({
      steps: "4",
      strength: "0.25",
      image: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    // Where it is black, a mask leaves the encoded picture: what is left of it does not depend on the seed.
    const [a, b] = [
      await draw("a", "--mask", at("half.png"), "--seed", "1"),
      await draw("b", "--mask", at("half.png"), "--seed", "2"),
    ];
    const differ = a.latents.map((value, i) => value !== b.latents[i]);
    // 4x4 tokens of 64 channels; the left half of each row stays.
    for (const [i, differs] of differ.entries()) expect(differs).toBe(Math.floor(i / 64) % 4 >= 2);
  });

  it("is guided away from a negative prompt by a second pass", async () => {
    const away = ["--negative-prompt", "a blue ring", "--latents-out"];
    const latents = async (name: string, ...more: readonly string[]) => {
      await run("--prompt", "a ring", ...away, at(`${name}.safetensors`), "-o", at(`${name}.png`), ...more);
      return readFileSync(at(`${name}.safetensors`));
    };
    const plain = await latents("plain");
    expect(await latents("unit", "--true-cfg-scale", "1")).toEqual(plain);
    expect(await latents("true", "--true-cfg-scale", "3")).not.toEqual(plain);
    expect(decodePng(readFileSync(at("true.png"))).metadata).toMatchObject({ trueCfgScale: "3" });
    const { stderr } = await cli([
      "run",
      bundle,
      ...SHORT,
      "--prompt",
      "a",
      "--negative-prompt",
      "b",
      "-o",
      at("n.png"),
    ]);
    expect(stderr).toMatch(/without --true-cfg-scale above 1: --negative-prompt changes nothing/);
    expect(stderr.match(/not tuned for this device \(WebAssembly, 1 thread.*`tritc tune .*`/g)).toHaveLength(
      1,
    );
  });

  it("pads the prompt to the tokens asked for where the encoder takes them", async () => {
    const { code, stderr } = await refusal("--prompt", "a ring", "--text-length", "9", "-o", at("x.png"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/text_encoder_2[\s\S]*expected: 12 tokens[\s\S]*found: {4}9/);
    await run("--prompt", "a ring", "--text-length", "12", "-o", at("twelve.png"));
    expect(decodePng(readFileSync(at("twelve.png"))).rgb).toEqual(decodePng(readFileSync(at("one.png"))).rgb);
  });

  it.each([
    ["nothing to draw", ["-o", "x.png"], /nothing says what to draw/],
    ["a prompt and prompts", ["--prompt", "a", "--prompts", "b", "-o", "x.png"], /two options say/],
    [
      "standard output for several",
      ["--prompt", "a", "--count", "2", "-o", "-"],
      /cannot share[\s\S]*folder/,
    ],
    ["latents for several", ["--prompt", "a", "--count", "2", "--latents", "l", "-o", "x"], /--latents/],
    [
      "more seeds than there are",
      ["--prompt", "a", "--seed", "9007199254740990", "--count", "3", "-o", "x"],
      /at most 2 from/,
    ],
    ["a control picture", ["--prompt", "a", "--control", "c.png", "-o", "x.png"], /leave --control out/],
    ["a mask alone", ["--prompt", "a", "--mask", "m.png", "-o", "x.png"], /give --image/],
    ["strength alone", ["--prompt", "a", "--strength", "0.5", "-o", "x.png"], /give --image/],
    [
      "two pictures to begin with",
      ["--prompt", "a", "--image", "a.png", "--image", "b.png", "-o", "x.png"],
      /at most 1 of --image/,
    ],
    [
      "true guidance away from nothing",
      ["--prompt", "a", "--true-cfg-scale", "3", "-o", "x.png"],
      /give --negative-prompt[\s\S]*TRITC_E_GUIDANCE/,
    ],
  ])("refuses %s", async (_, argv, message) => {
    const { code, stderr } = await refusal(...argv);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
