/** The command line on a Diffusers folder, with adapters. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { tensorOf } from "../recognize/models.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import { TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { loraFile, PEFT } from "../support/lora-file.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError } from "../support/run-compiled.js";

const { root } = modelFiles();
const model = join(root, "flux");
const inputs = join(root, "inputs.safetensors");
const lora = join(root, "style.safetensors");
const strange = join(root, "strange.safetensors");
const changed = join(root, "changed.onnx");

beforeAll(() => {
  const plain = fluxModel(TINY);
  writeDiffusers(join(model, "transformer"), diffusersConfig(TINY), plain.diffusers, 2);
  const adapter = loraFile(
    [{ name: "transformer.transformer_blocks.0.attn.to_q", roles: ["double.0.img.q"], rank: 2, alpha: 4 }],
    plain.weights,
    PEFT,
  );
  writeFileSync(lora, adapter.bytes);
  const renamed = [...adapter.tensors].map(([name, t]) => [`text_encoder.${name}`, t] as const);
  writeFileSync(strange, serialize(new Map(renamed)));
  writeFileSync(changed, fluxModel(TINY, 1, adapter.edit(0.5)).onnx);
  const given = fluxInputs(TORCHSCRIPT, TINY, { img: 6, txt: 5 }, { timestep: 0.03, guidance: 0.02 });
  writeFileSync(inputs, serialize(new Map(Object.entries(given).map(([name, t]) => [name, tensorOf(t)]))));
});

async function evaluated(argv: readonly string[]): Promise<Tensor | undefined> {
  const out = join(root, "out.safetensors");
  const { code, stderr } = await cli(["eval", ...argv, "--inputs", inputs, "-o", out, "--quiet"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return parseSafetensors(readFileSync(out)).get("out_hidden_states");
}

it("inspect", async () => {
  const { code, stdout } = await cli(["inspect", model, "--json"]);
  expect(code).toBe(0);
  const found: unknown = JSON.parse(stdout);
  expect(found).toMatchObject({
    model: { doubleBlocks: 1, singleBlocks: 2, guidance: true },
    unrecognized: [],
  });
});

it("eval and compile with an adapter", async () => {
  const wanted = await evaluated([changed]);
  expect(relativeError(await evaluated([model, "--lora", `${lora}:0.5`]), wanted)).toBeLessThan(1e-5);
  expect(relativeError(await evaluated([model]), wanted)).toBeGreaterThan(1e-3);
  const told = await cli([
    "eval",
    model,
    "--lora",
    lora,
    "--inputs",
    inputs,
    "-o",
    join(root, "o.safetensors"),
  ]);
  expect(told.stdout).toContain(`${lora} at 1: 1 module merged (1 LoRA)`);
  const bundle = join(root, "bundle");
  const common = ["compile", model, "--target", "cpu", "--ternarize", "none", "--activations", "f32"];
  const { code, stdout, stderr } = await cli([
    ...common,
    "-o",
    bundle,
    "--lora",
    `${lora}:0.25`,
    "--lora",
    `${lora}:0.25`,
    "--json",
    "--quiet",
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const report = { file: lora, scale: 0.25, merged: 1, leftOut: [] };
  expect(JSON.parse(stdout)).toMatchObject({ lora: [report, report] });
  expect(relativeError(await evaluated([bundle]), wanted)).toBeLessThan(1e-5);
  expect(relativeError(await evaluated([bundle, "--interpret"]), wanted)).toBeLessThan(1e-5);
  const refused = await cli(["eval", bundle, "--lora", lora, "--inputs", inputs, "-o", join(root, "o")]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/cannot be merged into a bundle[\s\S]*compile the model again with --lora/);
});

it("leaves a pipeline that cannot be compiled out of a bundle, and says so", async () => {
  writeFileSync(join(model, "model_index.json"), '{"_class_name":"FluxPipeline"}');
  mkdirSync(join(model, "text_encoder"));
  writeFileSync(join(model, "text_encoder", "model.safetensors"), "weights");
  const out = join(root, "alone");
  const common = ["compile", model, "--target", "cpu", "-o", out];
  const refused = await cli([...common, "--pipeline", model]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/lacks text_encoder.*text_encoder_2.*vae_decoder/);
  const { code, stderr } = await cli(common);
  expect(code).toBe(0);
  expect(stderr).toMatch(/the bundle is of the transformer alone.*lacks text_encoder/);
  expect(existsSync(join(out, "pipeline"))).toBe(false);
  expect(await cli([...common, "--quiet", "--no-pipeline"])).toMatchObject({ code: 0, stderr: "" });
  expect(existsSync(join(out, "pipeline"))).toBe(false);
});

it("an adapter for something else", async () => {
  const out = join(root, "none");
  const { code, stderr } = await cli(["compile", model, "--target", "cpu", "-o", out, "--lora", strange]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/strange\.safetensors: none of the adapter's tensors belongs to this model/);
  expect(stderr).toContain("TRITC_E_LORA");
});
