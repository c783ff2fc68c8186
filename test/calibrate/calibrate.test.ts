/** The shapes model draws its own training data: alone, in shards, stopped and gone on with. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openOrtSampler } from "../../benchmarks/ort-reference.js";
import { type CalibrateOptions, calibrate } from "../../compiler/calibrate/calibrate.js";
import { mergeCalibrations } from "../../compiler/calibrate/merge.js";
import { openCalibration } from "../../compiler/calibration/folder.js";
import { writePipeline, writeTransformer } from "../support/conditioned-pipeline.js";
import { buildFlux } from "../support/flux-builder.js";
import { TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { snapshot } from "../support/tree.js";

const SHAPES = "test/models/shapes";
const PROMPTS = ["a photo of a red circle", "a photo of two blue rings", "a photo of a green cross"];
const root = mkdtempSync(join(tmpdir(), "tritc-calibrate-"));
afterAll(() => rmSync(root, { recursive: true }));

const at = (name: string) => join(root, name);
/** Five samples of three prompts in parts of two. */
const options = (out: string, more: Partial<CalibrateOptions> = {}): CalibrateOptions => ({
  ...{ input: SHAPES, out: at(out), prompts: PROMPTS, samples: 5, batch: 2, steps: 3, seed: 11, threads: 1 },
  ...more,
});

beforeAll(() => calibrate(options("one")));

describe("a calibration", () => {
  it("holds what the model's own sampler draws of each prompt", async () => {
    const { description, count, read } = await openCalibration(at("one"));
    expect(description).toMatchObject({
      ...{ prompts: PROMPTS, samples: 5, batch: 2, steps: 3, guidance: 3.5, guidanceVaries: false, seed: 11 },
      ...{ width: 64, height: 64, imageTokens: 16, textTokens: 12, shard: { index: 1, count: 1 } },
    });
    expect(count).toBe(5);
    const sampler = await openOrtSampler(`${SHAPES}/transformer`, SHAPES, 1);
    const jobs = Array.from({ length: 5 }, (_, i) => ({ prompt: PROMPTS[i % 3] ?? "", seed: 11 + i }));
    const expected = await sampler.sample(jobs, { steps: 3, guidance: 3.5 }).finally(() => sampler.close());
    for (const [i, { latents }] of expected.entries()) {
      const sample = await read(i);
      expect(sample.prompt).toBe(jobs[i]?.prompt);
      expect(sample.guidance).toBe(3.5);
      expect(sample.pooled.length).toBe(64);
      expect(sample.context.length).toBe(12 * 128);
      expect(sample.latents.length).toBe(latents.length);
      const apart = Math.max(
        ...latents.map((value, j) => Math.abs(value - (sample.latents[j] ?? Number.NaN))),
      );
      expect(apart).toBeLessThan(1e-4);
    }
    const [first, fourth] = [await read(0), await read(3)];
    expect(fourth.context).toEqual(first.context);
    expect(fourth.latents).not.toEqual(first.latents);
  });

  it("is the same from shards, one of which was stopped and gone on with by one of two", async () => {
    const stop = new AbortController();
    const stopped = calibrate(
      options("shard-1", {
        shard: { index: 1, count: 2 },
        signal: stop.signal,
        // In the second of its parts.
        onProgress: ({ phase, done }) => phase === "samples" && done >= 2 && stop.abort(new Error("stopped")),
      }),
    );
    await expect(stopped).rejects.toThrow("stopped");
    expect(readdirSync(at("shard-1")).sort()).toEqual(["calibration.json", "part-000000.safetensors"]);
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
    await expect(openCalibration(at("shard-1"))).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", found: "1, without part-000002.safetensors" },
    });
    // A part that is cut off is drawn anew.
    truncateSync(join(at("shard-1"), "part-000000.safetensors"), 1000);

    const both = await Promise.allSettled(
      [1, 2].map(() => calibrate(options("shard-1", { shard: { index: 1, count: 2 } }))),
    );
    const [won] = both.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toMatchObject({ samples: 3, kept: 0, parts: 2, prompts: 3 });
    const refused: unknown[] = both.flatMap((result) =>
      result.status === "rejected" ? [result.reason] : [],
    );
    expect(refused).toMatchObject([{ code: "TRITC_E_OUT_BUSY" }]);

    await calibrate(options("shard-2", { shard: { index: 2, count: 2 } }));
    await expect(mergeCalibrations([at("shard-1")], at("merged"))).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", found: "no shard 2" },
    });
    await expect(mergeCalibrations([at("shard-1"), at("shard-1")], at("merged"))).rejects.toMatchObject({
      details: { code: "TRITC_E_CALIBRATION", expected: "shard 1 once" },
    });
    const merged = await mergeCalibrations([at("shard-2"), at("shard-1")], at("merged"));
    expect(merged).toMatchObject({ samples: 5, parts: 3, shards: 2 });
    expect(snapshot(at("merged"))).toEqual(snapshot(at("one")));
  });

  it("is not gone on with by other arguments", async () => {
    const before = snapshot(at("one"));
    await expect(calibrate(options("one", { steps: 4, seed: 12 }))).rejects.toMatchObject({
      details: {
        code: "TRITC_E_CALIBRATION_DIFFERS",
        message: "the calibration here is another: its steps differs; so do seed",
        expected: "4",
        found: "3",
      },
    });
    expect(snapshot(at("one"))).toEqual(before);
  });
});

describe("refused", () => {
  it("are models that are not read, or draw from more than text", async () => {
    const pipeline = writePipeline(at("pipeline"));
    mkdirSync(join(pipeline, "transformer"));
    const given = { input: pipeline, pipeline };
    const transformer = join(pipeline, "transformer", "model.onnx");
    writeTransformer(transformer, 128);
    await expect(calibrate(options("none", given))).rejects.toMatchObject({ code: "TRITC_E_NOT_A_SAMPLER" });
    writeFileSync(transformer, buildFlux(TORCHSCRIPT, { ...TINY, inChannels: 64, outChannels: 64 }));
    await expect(calibrate(options("none", given))).rejects.toMatchObject({
      details: { code: "TRITC_E_PIPELINE", expected: "20 channels of text, and 10 of its summary" },
    });
    await expect(calibrate(options("none", { input: transformer, pipeline: root }))).rejects.toMatchObject({
      code: "TRITC_E_PIPELINE",
    });
    await expect(
      calibrate(options("none", { input: join(SHAPES, "text_encoder_2", "model.onnx") })),
    ).rejects.toMatchObject({ code: "TRITC_E_NOT_FLUX" });
    await expect(calibrate(options("none", { prompts: [] }))).rejects.toMatchObject({
      code: "TRITC_E_RANGE",
    });
    expect(readdirSync(root)).not.toContain("none");
  });

  it("is a folder of something else", async () => {
    mkdirSync(at("other"));
    writeFileSync(join(at("other"), "notes.txt"), "");
    await expect(calibrate(options("other"))).rejects.toMatchObject({ code: "TRITC_E_OUT_EXISTS" });
    expect(readdirSync(at("other"))).toEqual(["notes.txt"]);
  });
});
