/** `tritc compare` with an HTML page: a tiny model beside itself, and bundles of it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Means, ModelMeasures } from "../../compiler/compare/comparison.js";
import { cli } from "../support/cli.js";
import { documentedKeys } from "../support/cli-docs.js";
import { dynamicEncoder, writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { buildFlux } from "../support/flux-builder.js";
import { STYLES, TINY } from "../support/flux-style.js";
import { elements, expectSelfContained } from "../support/html.js";

const folder = mkdtempSync(join(tmpdir(), "tritc-compare-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const [model, pipeline] = [at("model.onnx"), at("pipeline")];
/** Names come from people. */
const HOSTILE = `<b>&"'`;
const TORCHSCRIPT = STYLES.torchscript as NonNullable<(typeof STYLES)["torchscript"]>;
const short = ["--steps", "2", "--threads", "1"];

async function run(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(argv);
  if (code !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
}

beforeAll(async () => {
  writePipeline(pipeline);
  writeFileSync(join(pipeline, "text_encoder_2", "model.onnx"), dynamicEncoder());
  writeTransformer(model, 64);
  writeFileSync(at("prompts.txt"), "a red ring\na blue square\n");
  const compile = ["compile", model, "--target", "cpu", "--pipeline", pipeline, "--text-length", "7"];
  await run(...compile, "--ternarize", "none", "--activations", "f32", "-o", at("full"));
  await run(...compile, "-o", at(HOSTILE));
  await run(
    ...["calibrate", model, "--pipeline", pipeline, "--prompts", at("prompts.txt"), "--text-length", "7"],
    ...[...short, "--moments", "-o", at("moments")],
  );
});

describe("a comparison", () => {
  it("has all measures of models and bundles, as numbers and as a page", async () => {
    const page = at("report.html");
    const stdout = await run(
      ...["compare", model, model, at("full"), at(HOSTILE), "--pipeline", pipeline, "--text-length", "7"],
      ...["--prompts", at("prompts.txt"), "--count", "2", "--seed", "5", ...short],
      ...["--calibration", at("moments"), "--json", "-o", page],
    );
    const report = JSON.parse(stdout) as {
      readonly models: readonly (ModelMeasures & { readonly means: Means })[];
    };
    expect(report).toMatchObject({
      ...{
        out: page,
        reference: { path: model, target: null },
        width: 64,
        height: 64,
        steps: 2,
        textTokens: 7,
      },
      samples: [
        { prompt: "a red ring", seed: 5 },
        { prompt: "a red ring", seed: 6 },
        { prompt: "a blue square", seed: 7 },
        { prompt: "a blue square", seed: 8 },
      ],
      models: [{ target: null }, { target: "cpu" }, { target: "cpu" }],
    });
    const said = documentedKeys("compare");
    const [first] = report.models;
    for (const part of [report, first, first?.drawn, first?.layers, first?.means])
      for (const key of Object.keys(part ?? {})) expect(said).toContain(key);

    const [self, full, ternary] = report.models;
    expect(self?.drawn).toEqual({
      ...{ velocityErrors: [0, 0], latentDistances: [0, 0] },
      pictures: new Array(4).fill({ psnr: null, ssim: 1 }),
    });
    for (const value of [...(full?.drawn?.velocityErrors ?? []), ...(full?.drawn?.latentDistances ?? [])]) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(1e-4);
    }
    for (const picture of full?.drawn?.pictures ?? []) expect(picture.ssim).toBeGreaterThan(0.999);
    for (const value of ternary?.drawn?.velocityErrors ?? []) expect(value).toBeGreaterThan(0.01);
    for (const picture of ternary?.drawn?.pictures ?? []) expect(picture.ssim).toBeLessThan(1);

    const layersOf = (measures: ModelMeasures | undefined) => measures?.layers?.errors ?? [];
    expect(layersOf(self).length).toBeGreaterThan(10);
    for (const measures of report.models) {
      expect(measures.layers?.left).toEqual([]);
      expect(layersOf(measures).map(({ role }) => role)).toEqual(layersOf(self).map(({ role }) => role));
    }
    for (const { error } of [...layersOf(self), ...layersOf(full)]) expect(error).toBe(0);
    for (const { error } of layersOf(ternary)) {
      expect(error).toBeGreaterThan(0.01);
      expect(error).toBeLessThan(1);
    }

    const html = readFileSync(page, "utf8");
    expectSelfContained(html, 16);
    const counts = elements(html);
    expect([counts.get("svg"), counts.get("table"), counts.get("b")]).toEqual([2, 4, undefined]);
    expect(html).toContain("&lt;b&gt;&amp;&quot;&#39; (kernels, cpu)");
    expect(html).toContain("a blue square (seed 7)");
  });

  it("is numbers alone where no file is asked for, and layers alone without prompts", async () => {
    const text = await run(
      "compare",
      model,
      at("full"),
      "--pipeline",
      pipeline,
      "--calibration",
      at("moments"),
    );
    expect(text).toMatch(/^model +velocity +latents +PSNR +SSIM +layers\n.*full +- +- +- +- +0\.0000\n$/);
  });
});

describe("a comparison that makes no sense", () => {
  const prompts = ["--prompts", at("prompts.txt")];
  it.each([
    ["without prompts", [model, at("full")], "TRITC_E_USAGE", /nothing to compare/],
    ["by Heun's method", [model, at("full"), ...prompts, "--sampler", "heun"], "TRITC_E_USAGE", /Euler/],
    [
      "of three on a grid",
      [model, at("full"), at("full"), ...prompts, "-o", at("g.png")],
      "TRITC_E_USAGE",
      /grid/,
    ],
    [
      "with many pictures on a grid",
      [model, at("full"), ...prompts, "--count", "2", "-o", at("g.png")],
      "TRITC_E_USAGE",
      /grid/,
    ],
    [
      "with a calibration that is none",
      [model, at("full"), "--calibration", folder, "--pipeline", pipeline],
      "TRITC_E_CALIBRATION",
      /no calibration/,
    ],
    [
      "with nothing there",
      [model, at("none"), ...prompts, "--pipeline", pipeline],
      "TRITC_E_MODEL_NOT_FOUND",
      /no such/,
    ],
    ["without a pipeline", [model, model, ...prompts], "TRITC_E_PIPELINE", /none of the models/],
  ] as const)("%s is refused", async (_, argv, code, message) => {
    const { stdout } = await cli(["compare", ...argv, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code, message: expect.stringMatching(message) } });
    expect(readdirSync(folder)).not.toContain("g.png");
  });

  it("with a calibration of other weights is refused, as a bundle's are", async () => {
    const argv = ["compare", at("full"), at(HOSTILE), "--calibration", at("moments"), "--json"];
    const { stdout } = await cli(argv);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "TRITC_E_CALIBRATION" } });
  });

  it.each([
    ["read other text", { contextDim: 96 }, "TRITC_E_COMPARE"],
    ["are given pictures", { inChannels: 384 }, "TRITC_E_NOT_A_SAMPLER"],
  ])("of models that %s is refused", async (_, sizes, code) => {
    const size = { ...TINY, inChannels: 64, outChannels: 64, contextDim: 128, pooledDim: 64, ...sizes };
    writeFileSync(at("other.onnx"), buildFlux(TORCHSCRIPT, size));
    const argv = ["compare", model, at("other.onnx"), ...prompts, "--pipeline", pipeline, "--json"];
    const { stdout } = await cli(argv);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code } });
  });
});
