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

  it("draws for several callers at once what it draws for one; giving one up touches no other", async () => {
    const requests = [
      { prompt: PROMPT, seed: 1, steps: 2 },
      { prompt: "a blue square", seed: 2, steps: 3, guidance: 2 },
      { prompt: PROMPT, seed: 1, steps: 2, width: 48, height: 80 },
      { prompt: PROMPT, seed: 3, steps: 1 },
    ];
    const alone = [];
    for (const request of requests) alone.push((await generator.generate(request)).png);
    const [running, waiting] = [new AbortController(), new AbortController()];
    const order: number[] = [];
    const given = [
      generator.generate({
        prompt: PROMPT,
        steps: 50,
        onStep: () => running.abort(new Error("first given up")),
        signal: running.signal,
      }),
      generator.generate({ prompt: PROMPT, steps: 50, onStep: () => order.push(-1), signal: waiting.signal }),
    ];
    const outcomes = Promise.allSettled(given);
    const together = requests.map(async (request, i) => {
      const { png } = await generator.generate(request);
      order.push(i);
      return png;
    });
    waiting.abort(new Error("second given up"));
    expect(await Promise.all(together)).toEqual(alone);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(
      (await outcomes).map((r) => (r.status === "rejected" ? (r.reason as Error).message : "drawn")),
    ).toEqual(["first given up", "second given up"]);
  });

  it("finishes what was asked for before it closes, beside another generator of the bundle", async () => {
    const request = { prompt: PROMPT, seed: 9, steps: 2 };
    const other = await openGenerator(join(folder, name), { threads: 1 });
    const [mine, theirs, closed] = await Promise.all([
      generator.generate(request),
      other.generate(request),
      other.close(),
      other.close(),
    ]);
    expect(closed).toBeUndefined();
    expect(theirs.png).toEqual(mine.png);
    await expect(other.generate(request)).rejects.toMatchObject({ code: "TRITC_E_CLOSED" });
  });

  it.each([
    { steps: 1e9 },
    { steps: 0.5 },
    { width: 1e6, height: 1e6 },
    { height: Number.POSITIVE_INFINITY },
    { guidance: Number.NaN },
    { textLength: 1e7 },
    { prompt: "x".repeat(1e6) },
    { prompt: 7 as unknown as string },
    { sampler: "huen" as unknown as "heun" },
  ])("refuses what is out of bounds before it works: %o", async (request) => {
    const onStep = () => expect.unreachable();
    await expect(generator.generate({ prompt: PROMPT, ...request, onStep })).rejects.toMatchObject({
      code: "TRITC_E_RANGE",
      message: expect.stringContaining(Object.keys(request)[0] ?? ""),
    });
  });

  it("refuses a size that no token grid fits", async () => {
    await expect(generator.generate({ prompt: PROMPT, width: 60, height: 64 })).rejects.toThrow(/width/);
  });
});
