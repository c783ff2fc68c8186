import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ortSample } from "../../benchmarks/ort-reference.js";
import { compileModel } from "../../compiler/compile.js";
import { type Generator, openGenerator } from "../../runtime/node/generate.js";
import { decodePng } from "../../runtime/node/png.js";

const models = join(import.meta.dirname, "..", "models");
const pipeline = join(models, "shapes");
const folder = mkdtempSync(join(tmpdir(), "tritc-generate-"));
const PROMPT = "a photo of a red circle";
const STEPS = 8;
const size = { width: 64, height: 64 } as const;

/** Largest difference of two 8-bit pictures. */
function difference(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (b[i] ?? 0))), 0);
}

describe.each([
  { name: "full precision", input: "shapes", ternarize: "none", activations: "f32", tolerance: 1 },
  // int8 activations move the picture a little; a circle stays where it is.
  { name: "ternary int8", input: "shapes-ternary", ternarize: "exact", activations: "int8", tolerance: 48 },
] as const)("the sampler, $name", ({ name, input, ternarize, activations, tolerance }) => {
  let generator: Generator;
  beforeAll(async () => {
    const out = join(folder, name);
    const transformer = join(models, input, "transformer");
    await compileModel({
      input: transformer,
      out,
      target: "cpu",
      ternarize,
      activations,
      resolutions: [size],
      pipeline,
    });
    generator = await openGenerator(out, { threads: 2 });
  });
  afterAll(async () => {
    await generator.close();
    rmSync(join(folder, name), { recursive: true, force: true });
  });

  it("draws what ONNX Runtime draws from the same noise", async () => {
    const reference = await ortSample(join(models, input, "transformer"), pipeline, PROMPT, 11, STEPS, 3.5);
    const { rgb } = await generator.generate({ prompt: PROMPT, seed: 11, steps: STEPS });
    expect(difference(rgb, reference.picture.rgb)).toBeLessThanOrEqual(tolerance);
  });

  it("draws the same with weights of the prompt streamed", async () => {
    const request = { prompt: PROMPT, seed: 5, steps: 2 };
    const kept = await generator.generate(request);
    const other = await openGenerator(join(folder, name), { threads: 2, promptWeights: "stream" });
    // Twice: they are read again for each prompt.
    for (const _ of [1, 2]) expect((await other.generate(request)).png).toEqual(kept.png);
    await other.close();
  });

  it("gives the same bytes twice, and another picture for another seed", async () => {
    const [a, b, c] = [3, 3, 4].map((seed) => ({ prompt: PROMPT, seed, steps: 2 }));
    const first = await generator.generate(a ?? { prompt: "" });
    const second = await generator.generate(b ?? { prompt: "" });
    const third = await generator.generate(c ?? { prompt: "" });
    expect(second.png).toEqual(first.png);
    expect(third.rgb).not.toEqual(first.rgb);
  });

  it("says in the PNG how to make it again", async () => {
    const { png } = await generator.generate({ prompt: PROMPT, seed: 5, steps: 1, guidance: 2.5 });
    expect(decodePng(png).metadata).toMatchObject({
      prompt: PROMPT,
      seed: "5",
      steps: "1",
      guidance: "2.5",
      bundle: generator.bundle.hash,
    });
  });

  it("reports every step and stops between steps", async () => {
    const seen: number[] = [];
    const stop = new AbortController();
    const run = generator.generate({
      prompt: PROMPT,
      steps: 6,
      onStep: ({ step }) => {
        seen.push(step);
        if (step === 2) stop.abort(new Error("enough"));
      },
      signal: stop.signal,
    });
    await expect(run).rejects.toThrow("enough");
    expect(seen).toEqual([1, 2]);
    const after = await generator.generate({ prompt: PROMPT, steps: 1 });
    expect(after.rgb.length).toBe(64 * 64 * 3);
  });

  it("refuses a size that no token grid fits", async () => {
    await expect(generator.generate({ prompt: PROMPT, width: 60, height: 64 })).rejects.toThrow(/width/);
  });
});
