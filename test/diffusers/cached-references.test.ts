/** klein 9B-KV: what Diffusers' Flux2KleinKVPipeline draws from the same noise, with no picture to draw after, one and two. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { openGenerator } from "../../runtime/node/generate.js";
import type { DrawRequest } from "../../runtime/pipeline/draw.js";
import type { Picture } from "../../runtime/pipeline/picture.js";
import { relativeError } from "../support/attention.js";
import { cli } from "../support/cli.js";
import { latentsOf } from "../support/diffusers-case.js";

const EXPECTED = "test/models/diffusers/klein-kv/expected";
const root = mkdtempSync(join(tmpdir(), "tritc-cached-references-"));
afterAll(() => rmSync(root, { recursive: true }));

// The rest of the pipeline is klein's.
const folder = join(root, "klein-kv");
const isOther = (path: string) => !/klein.(transformer|expected|model_index)/.test(path);
cpSync("test/models/diffusers/klein", folder, { recursive: true, filter: isOther });
cpSync("test/models/diffusers/klein-kv", folder, { recursive: true });

const call = JSON.parse(readFileSync(join(EXPECTED, "case.json"), "utf8")) as DrawRequest;
const expected = latentsOf(readFileSync(join(EXPECTED, "latents.safetensors")));
const CASES = { none: [], one: [picture(64, 80, 1)], two: [picture(64, 80, 1), picture(96, 64, 2)] };

/** As the fixture's were made. */
function picture(width: number, height: number, kind: number): Picture {
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return (x * (3 + kind) + y * (2 + 3 * kind) + (i % 3) * 40) % 256;
  });
  return { rgb, width, height };
}

it.each(["cpu", "webgpu"] as const)("draws them on %s", { timeout: 240_000 }, async (target) => {
  const out = join(root, target);
  const report = await compileModel({
    ...{ input: folder, out, target, ternarize: "none", activations: "f32" },
    resolutions: [{ width: 64, height: 48 }],
    references: 2,
  });
  // Keys and values of 16 channels in three blocks, for two pictures of a megapixel.
  expect(report.referenceBytes).toEqual([2 * 4096 * 3 * 2 * 16 * 4]);
  expect(report.drawing?.sampling).toMatchObject({ steps: 4, guidance: null, cachesReferences: true });
  const generator = await openGenerator(out, { threads: 2, software: true });
  try {
    for (const [name, image] of Object.entries(CASES)) {
      const drawn = await generator.generate({ ...call, latents: expected("latents"), image });
      expect(relativeError(drawn.latents, expected(`result.${name}`)), name).toBeLessThan(1e-4);
    }
  } finally {
    await generator.close();
  }
});

it("is not drawn after pictures by a bundle that was compiled without its pipeline", {
  timeout: 60_000,
}, async () => {
  const [out, input] = [join(root, "alone"), join(root, "transformer")];
  cpSync(join(folder, "transformer"), input, { recursive: true });
  await compileModel({
    ...{ input, out, target: "cpu", ternarize: "none", activations: "f32" },
  });
  const generator = await openGenerator(out, { threads: 1, pipeline: join(root, "cpu") });
  try {
    const drawing = generator.generate({ ...call, image: CASES.one, textLength: 40 });
    await expect(drawing).rejects.toMatchObject({ code: "TRITC_E_CONDITION" });
    await expect(drawing).rejects.toThrow(/by themselves[\s\S]*compile the model again with --pipeline/);
  } finally {
    await generator.close();
  }
});

it("says what references take, and computes the model's own graph", { timeout: 240_000 }, async () => {
  const out = join(root, "int8");
  const compiled = await cli([
    ...["compile", folder, "--target", "cpu", "--ternarize", "absmean", "--activations", "int8"],
    ...["--resolution", "64x48", "-o", out],
  ]);
  expect(compiled.stdout + compiled.stderr).toMatch(/4,096 tokens of references/);
  expect(compiled.stdout + compiled.stderr).toMatch(/references +keys and values once per prompt, 1\.573 MB/);
  const verified = await cli(["verify", join(root, "cpu"), "--against", folder, "--json"]);
  const found = JSON.parse(verified.stdout) as { readonly model: { readonly difference: number } };
  expect(found.model.difference).toBeLessThan(1e-5);
  expect((await cli(["verify", out])).code).toBe(0);
  const page = join(root, "report.html");
  expect((await cli(["report", out, "-o", page])).code).toBe(0);
  expect(readFileSync(page, "utf8")).toMatch(/Keys and values of references are 1\.573 MB/);
});
