import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OrtSampler, openOrtSampler } from "../../benchmarks/ort-reference.js";
import { readPicture } from "../../benchmarks/shapes-score/detect.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { cli } from "../support/cli.js";
import { writeFlux2Pipeline } from "../support/flux2-pipeline.js";
import { modelFiles } from "../support/model-files.js";

const SHAPES = "test/models/shapes";
let sampler: OrtSampler;

beforeAll(async () => {
  sampler = await openOrtSampler(`${SHAPES}/transformer`, SHAPES, 1);
});
afterAll(() => sampler.close());

describe("the ONNX Runtime sampler", () => {
  it("draws what the prompt says", async () => {
    const [sample] = await sampler.sample([{ prompt: "a photo of a red circle", seed: 0 }], {
      steps: 12,
      guidance: 3.5,
    });
    const { rgb, width, height } = sample?.picture ?? { rgb: new Uint8Array(0), width: 0, height: 0 };
    expect(readPicture(rgb, width, height)).toMatchObject([{ class: "circle", color: "red" }]);
  });

  it("gives a prompt the same latents alone and in a batch", async () => {
    const jobs = [
      { prompt: "a photo of a blue square", seed: 5 },
      { prompt: "a photo of two rings", seed: 6 },
      { prompt: "a photo of a blue square", seed: 7 },
    ];
    const options = { steps: 4, guidance: 3.5 };
    const together = await sampler.sample(jobs, options);
    const latents = together.map((sample) => sample.latents);
    expect(latents[0]).not.toEqual(latents[2]);
    for (const [i, job] of jobs.entries()) {
      const [alone] = await sampler.sample([job], options);
      for (const [j, value] of (alone?.latents ?? []).entries())
        expect(latents[i]?.[j]).toBeCloseTo(value, 3);
    }
  });

  it("listens to guidance, seed and steps", async () => {
    const job = { prompt: "a photo of a green cross", seed: 1 };
    const base = await sampler.sample([job], { steps: 3, guidance: 3.5 });
    const others = [
      await sampler.sample([job], { steps: 3, guidance: 1 }),
      await sampler.sample([job], { steps: 4, guidance: 3.5 }),
      await sampler.sample([{ ...job, seed: 2 }], { steps: 3, guidance: 3.5 }),
    ];
    for (const other of others) expect(other[0]?.latents).not.toEqual(base[0]?.latents);
    expect(await sampler.sample([], { steps: 3, guidance: 3.5 })).toEqual([]);
  });
});

describe("FLUX.2 in ONNX Runtime", () => {
  const { root } = modelFiles();

  it("is guided by two passes, and draws what a bundle draws", async () => {
    const folder = writeFlux2Pipeline(join(root, "pipeline"), false);
    const bundle = join(root, "bundle");
    const options = ["--target", "cpu", "--ternarize", "none", "--activations", "f32", "--resolution", "8x6"];
    expect(await cli(["compile", folder, ...options, "-o", bundle, "--quiet"])).toMatchObject({ code: 0 });
    const flux2 = await openOrtSampler(join(folder, "transformer"), folder, 1);
    const generator = await openGenerator(bundle, { threads: 1 });
    try {
      const size = { width: 8, height: 6, steps: 3 };
      const jobs = [
        { prompt: "red circle", seed: 4 },
        { prompt: "blue", seed: 5 },
      ];
      const samples = await flux2.sample(jobs, { ...size, guidance: 2.5 });
      const [plain] = await flux2.sample(jobs, { ...size, guidance: 1 });
      expect(plain?.latents).not.toEqual(samples[0]?.latents);
      for (const [i, job] of jobs.entries()) {
        const { latents, rgb } = await generator.generate({ ...job, ...size, guidance: 2.5 });
        for (const [k, value] of latents.entries()) expect(samples[i]?.latents[k]).toBeCloseTo(value, 4);
        expect(samples[i]?.picture.rgb).toHaveLength(rgb.length);
      }
    } finally {
      await generator.close();
      await flux2.close();
    }
  });
});
