/** Diffusers folders compile as they are and draw what Diffusers draws from the same noise, on every device without a GPU. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { openGenerator } from "../../runtime/node/generate.js";
import { decodePng } from "../../runtime/node/png.js";
import { relativeError } from "../support/attention.js";
import { cli } from "../support/cli.js";
import { diffusersCase, TINY_PIPELINES } from "../support/diffusers-case.js";

// No network is ONNX here: whoever asks for ONNX Runtime does so in vain.
vi.mock("../../runtime/node/ort-open.js", () => ({
  openOrt: () => {
    throw new Error("ONNX Runtime was asked for");
  },
}));

const root = mkdtempSync(join(tmpdir(), "tritc-diffusers-"));
afterAll(() => rmSync(root, { recursive: true }));

describe.each(TINY_PIPELINES)("a folder of Diffusers: %s", (name) => {
  it.each(["cpu", "webgpu"] as const)("draws its picture on %s", { timeout: 240_000 }, async (target) => {
    const { folder, request, latents, picture } = diffusersCase(name);
    const out = join(root, `${name}-${target}`);
    const notices: string[] = [];
    const report = await compileModel({
      ...{ input: folder, out, target, ternarize: "none", activations: "f32" },
      onNotice: (text) => notices.push(text),
    });
    expect(notices).toEqual([]);
    expect(report.networks.map(({ name: network }) => network)).toEqual([
      "text_encoder",
      ...(name === "flux1" ? ["text_encoder_2"] : []),
      "vae_decoder",
      "vae_encoder",
    ]);
    const inspected = await cli([
      ...["inspect", folder, "--target", target, "--ternarize", "none", "--activations", "f32", "--json"],
    ]);
    const { pipeline } = (JSON.parse(inspected.stdout) as { readonly plan: { readonly pipeline: unknown } })
      .plan;
    expect(pipeline).toMatchObject({
      networks: report.networks.map(({ name: network, held, weightBytes, memoryBytes, tilePixels }) => ({
        ...{ name: network, held, weightBytes, memoryBytes, tilePixels },
      })),
      residency: report.residency,
      lacks: null,
    });
    const generator = await openGenerator(out, { threads: 2, software: true });
    try {
      const drawn = await generator.generate(request);
      expect(relativeError(drawn.latents, latents)).toBeLessThan(1e-4);
      expect([drawn.width, drawn.height]).toEqual([picture.width, picture.height]);
      // A channel lies on either side of a half where the original rounds.
      const distances = drawn.rgb.map((value, i) => Math.abs(value - (picture.rgb[i] ?? 0)));
      expect(Math.max(...distances)).toBeLessThanOrEqual(1);
      expect(decodePng(drawn.png, "drawn", "ignored").rgb).toEqual(drawn.rgb);
    } finally {
      await generator.close();
    }
  });

  it("says that it has to be compiled, where its networks are asked for as they are", async () => {
    const { folder } = diffusersCase(name);
    const opening = openGenerator(join(root, `${name}-cpu`), { pipeline: folder });
    await expect(opening).rejects.toMatchObject({ code: "TRITC_E_PIPELINE" });
    await expect(opening).rejects.toThrow(/text_encoder[\s\S]*try: .*tritc compile/);
  });

  it("keeps of its folder what drawing takes, and no weights of Diffusers'", () => {
    const { files } = JSON.parse(readFileSync(join(root, `${name}-cpu`, "manifest.json"), "utf8")) as {
      readonly files: readonly { readonly path: string }[];
    };
    const pipeline = files.map(({ path }) => path).filter((path) => path.startsWith("pipeline/"));
    expect(pipeline).toContain("pipeline/model_index.json");
    expect(pipeline).toContain("pipeline/scheduler/scheduler_config.json");
    expect(pipeline).toContain("pipeline/vae/config.json");
    expect(pipeline).toContain("pipeline/tokenizer/tokenizer_config.json");
    const weights = pipeline.filter((path) => path.endsWith(".safetensors"));
    expect(weights.every((path) => path.endsWith("/weights.safetensors"))).toBe(true);
  });
});
