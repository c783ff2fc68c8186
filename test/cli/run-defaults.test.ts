import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodePng } from "../../runtime/node/png.js";
import { cli } from "../support/cli.js";
import { dynamicEncoder, writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { TINY } from "../support/flux-style.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-defaults-"));
const at = (...path: readonly string[]) => join(folder, ...path);
const pipeline = at("pipeline");

async function compile(model: string, name: string, ...argv: readonly string[]) {
  const options = ["--target", "cpu", "--ternarize", "none", "--activations", "f32", "--pipeline", pipeline];
  const { code, stderr } = await cli(["compile", model, ...options, ...argv, "-o", at(name)]);
  if (code !== 0) throw new Error(stderr);
}

const drawn = new Map<string, ReturnType<typeof drawOnce>>();
/** The pixels of a picture of two steps; drawn once for all tests that ask. */
function draw(bundle: string, ...argv: readonly string[]): ReturnType<typeof drawOnce> {
  const key = JSON.stringify([bundle, ...argv]);
  const picture = drawn.get(key) ?? drawOnce(bundle, ...argv);
  drawn.set(key, picture);
  return picture;
}

async function drawOnce(bundle: string, ...argv: readonly string[]) {
  const options = ["--prompt", "a red ring", "--steps", "2", "--threads", "1", "-o", at("out.png")];
  const { code, stderr } = await cli(["run", at(bundle), ...options, ...argv]);
  if (code !== 0) throw new Error(stderr);
  return decodePng(readFileSync(at("out.png")));
}

beforeAll(async () => {
  writePipeline(pipeline);
  writeFileSync(join(pipeline, "text_encoder_2", "model.onnx"), dynamicEncoder());
  await compile(writeTransformer(at("dynamic.onnx"), 64), "seven", "--text-length", "7");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the text's length", () => {
  it("is the one that a bundle was compiled for, where the encoder takes any", async () => {
    const { rgb } = await draw("seven");
    expect((await draw("seven", "--text-length", "7")).rgb).toEqual(rgb);
    expect((await draw("seven", "--text-length", "9")).rgb).not.toEqual(rgb);
  });

  it("is the model's own number where it was exported for one, and the picture its own too", async () => {
    await compile(writeTransformer(at("static.onnx"), 64, true), "static");
    const { width, height, rgb } = await draw("static");
    expect((width / 16) * (height / 16)).toBe(TINY.img);
    expect((await draw("static", "--text-length", String(TINY.txt))).rgb).toEqual(rgb);
    await expect(draw("static", "--text-length", String(TINY.txt + 1))).rejects.toThrow(
      /one text length alone[\s\S]*TRITC_E_TEXT_LENGTH/,
    );
  });
});

describe("the sampler", () => {
  it("is Euler's unless another is asked for, which the picture says", async () => {
    const euler = await draw("seven");
    expect(euler.metadata.sampler).toBeUndefined();
    expect((await draw("seven", "--sampler", "euler")).metadata).toEqual(euler.metadata);
    const heun = await draw("seven", "--sampler", "heun");
    expect(heun.rgb).not.toEqual(euler.rgb);
    expect(heun.metadata).toEqual({ ...euler.metadata, sampler: "heun" });
    // The last step, here the only one, is Euler's.
    const once = ["--steps", "1"];
    expect((await draw("seven", ...once, "--sampler", "heun")).rgb).toEqual(
      (await draw("seven", ...once)).rgb,
    );
  });

  it("is the one that both sides of a comparison are drawn with", async () => {
    const { width, height, rgb } = await draw("seven", "--sampler", "heun");
    writeFileSync(at("prompts.txt"), "a red ring\n");
    const argv = ["--prompts", at("prompts.txt"), "--steps", "2", "--threads", "1", "-o", at("grid.png")];
    const { code, stdout, stderr } = await cli([
      ...["compare", at("seven"), at("seven"), ...argv, "--sampler", "heun", "--json"],
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    const results = [{ prompt: "a red ring", psnr: null }];
    expect(JSON.parse(stdout)).toEqual({ out: at("grid.png"), results, mean: 99 });
    const sheet = decodePng(readFileSync(at("grid.png")));
    const gap = (sheet.height - height) / 2;
    const rowOf = (y: number, x: number) =>
      sheet.rgb.subarray(3 * ((gap + y) * sheet.width + x), 3 * ((gap + y) * sheet.width + x + width));
    for (let y = 0; y < height; y++) {
      const wanted = rgb.subarray(3 * y * width, 3 * (y + 1) * width);
      expect(rowOf(y, gap)).toEqual(wanted);
      expect(rowOf(y, 2 * gap + width)).toEqual(wanted);
    }
  });
});

describe("the schedule", () => {
  it("is the one that was compiled in, or that of a pipeline given later", async () => {
    const { rgb } = await draw("seven");
    const other = at("other");
    cpSync(pipeline, other, { recursive: true });
    expect((await draw("seven", "--pipeline", other, "--text-length", "7")).rgb).toEqual(rgb);
    writeFileSync(join(other, "scheduler", "scheduler_config.json"), '{"shift": 9}');
    expect((await drawOnce("seven", "--pipeline", other, "--text-length", "7")).rgb).not.toEqual(rgb);
  });

  it("is refused at compile time where it is broken", async () => {
    const broken = at("broken");
    cpSync(pipeline, broken, { recursive: true });
    writeFileSync(join(broken, "scheduler", "scheduler_config.json"), '{"use_beta_sigmas": true}');
    const argv = ["compile", at("dynamic.onnx"), "--target", "cpu", "--pipeline", broken, "-o", at("none")];
    const { code, stderr } = await cli(argv);
    expect(code).toBe(1);
    expect(stderr).toMatch(/scheduler_config\.json[\s\S]*use_beta_sigmas[\s\S]*TRITC_E_SCHEDULER/);
  });
});
