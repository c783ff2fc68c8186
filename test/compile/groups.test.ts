/** A model whose weights hold {-s, 0, s} in groups of 32 inputs, through the command line. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { planModel } from "../../compiler/account/plan-model.js";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { findGroups } from "../../compiler/find-groups.js";
import { importModel } from "../../compiler/import-model.js";
import type { Inspection } from "../../compiler/inspect.js";
import { isBlockRole } from "../../compiler/models/index.js";
import { parseManifest } from "../../ir/format/manifest.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { targetByName } from "../../targets/index.js";
import { tensorOf } from "../recognize/models.js";
import { cli } from "../support/cli.js";
import { diffusersConfig, type EditWeight, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import { type FluxSize, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { loraFile, PEFT } from "../support/lora-file.js";
import { modelFiles } from "../support/model-files.js";
import { uniform } from "../support/random.js";
import { relativeError } from "../support/run-compiled.js";
import { shareWebGpuDevices } from "../support/shared-webgpu.js";

const { root } = modelFiles();
shareWebGpuDevices();
/** Three groups of 32 inputs, and rows of 100, which end with a short one. */
const SIZE: FluxSize = { ...TINY, axes: [16, 16, 16], mlp: 100, singles: 1 };
const model = join(root, "flux");
const inputs = join(root, "inputs.safetensors");
const lora = join(root, "style.safetensors");

/** Weights of the blocks as {-s, 0, s} with a scale for each 32 inputs, which f16 holds. */
const grouped: EditWeight = (role, values, [, k = 1]) => {
  if (!isBlockRole(role)) return;
  const next = uniform(role.length + values.length);
  let scale = 0;
  for (let i = 0; i < values.length; i++) {
    if ((i % k) % 32 === 0) scale = Math.round(8 + 24 * next()) / 512;
    values[i] = Math.floor(3 * next() - 1) * scale;
  }
};

beforeAll(() => {
  const flux = fluxModel(SIZE, 1, grouped);
  writeDiffusers(join(model, "transformer"), diffusersConfig(SIZE), flux.diffusers, 1);
  const adapter = loraFile(
    [{ name: "transformer.transformer_blocks.0.attn.to_q", roles: ["double.0.img.q"], rank: 2, alpha: 4 }],
    flux.weights,
    PEFT,
  );
  writeFileSync(lora, adapter.bytes);
  const given = fluxInputs(TORCHSCRIPT, SIZE, { img: 6, txt: 5 }, { timestep: 0.03, guidance: 0.02 });
  writeFileSync(inputs, serialize(new Map(Object.entries(given).map(([name, t]) => [name, tensorOf(t)]))));
});

async function ok(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(argv);
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  return stdout;
}

async function evaluated(path: string): Promise<Tensor | undefined> {
  const out = join(root, "out.safetensors");
  await ok("eval", path, "--inputs", inputs, "-o", out, "--software", "--quiet");
  return parseSafetensors(readFileSync(out)).get("out_hidden_states");
}

let known: Promise<Tensor | undefined> | undefined;
/** What the model itself computes; once for all tests that ask. */
function wanted(): Promise<Tensor | undefined> {
  known ??= evaluated(model);
  return known;
}

/** Scales of a bundle by the role of their layer. */
function scalesOf(bundle: string): Record<string, string> {
  const { tensors } = parseManifest(readFileSync(join(bundle, "manifest.json"), "utf8"));
  const scales = tensors.filter(({ name }) => name.endsWith(".scales"));
  return Object.fromEntries(
    scales.map(({ name, dtype, shape }) => [name.slice(0, -7), `${dtype}[${shape.join(", ")}]`]),
  );
}

it.each(["cpu", "webgpu"])(
  "%s: the bundle has their groups, and computes what the model does",
  async (target) => {
    const bundle = join(root, `f32-${target}`);
    await ok("compile", model, "--target", target, "--activations", "f32", "-o", bundle, "--quiet");
    expect(scalesOf(bundle)).toMatchObject({
      "double.0.img.modulation": "f16[576, 3]",
      "double.0.img.qkv": "f16[288, 3]",
      "double.0.img.mlp.down": "f16[96, 4]",
    });
    expect(relativeError(await evaluated(bundle), await wanted())).toBeLessThan(1e-5);
    await ok("verify", bundle, "--software");
  },
);

it.each(["cpu", "webgpu"])("%s: int8 rows, in both forms of codes", async (target) => {
  const [trits, twoBit] = [join(root, `trits-${target}`), join(root, `two-bit-${target}`)];
  await ok("compile", model, "--target", target, "-o", trits, "--quiet");
  await ok("compile", model, "--target", target, "--storage", "2bit", "-o", twoBit, "--quiet");
  await ok("verify", trits, "--software");
  const found = await evaluated(trits);
  expect(relativeError(found, await wanted())).toBeLessThan(0.03);
  expect(await evaluated(twoBit)).toEqual(found);
});

it("other groups lose something", async () => {
  const errors: number[] = [];
  for (const group of ["32", "64", "row"]) {
    const out = join(root, `group-${group}`);
    await ok(
      "compile",
      model,
      "--target",
      "cpu",
      "--activations",
      "f32",
      "--group",
      group,
      "-o",
      out,
      "--quiet",
    );
    errors.push(relativeError(await evaluated(out), await wanted()));
  }
  expect(errors[0]).toBeLessThan(1e-5);
  expect(errors[1]).toBeGreaterThan(0.01);
  expect(errors[2]).toBeGreaterThan(errors[1] ?? 0);
  expect(scalesOf(join(root, "group-64"))["double.0.img.qkv"]).toBe("f32[288, 2]");
  expect(scalesOf(join(root, "group-row"))["double.0.img.qkv"]).toBe("f32[288]");
});

it("an adapter's weights are fitted to the groups that they had", async () => {
  const out = join(root, "lora");
  await ok("compile", model, "--target", "cpu", "--lora", lora, "-o", out, "--quiet");
  expect(scalesOf(out)).toMatchObject({
    "double.0.img.q": "f32[96, 3]",
    "double.0.img.kv": "f16[192, 3]",
  });
});

it("inspect and report know of groups", async () => {
  expect(await ok("inspect", model, "--target", "cpu", "--resolution", "64x64")).toMatch(/64x64 +kept/);
  const out = join(root, "report.html");
  await ok("report", model, "--target", "cpu", "--resolution", "64x64", "-o", out);
  const html = readFileSync(out, "utf8");
  expect(html).toContain("ternary, groups of 32");
});

it("inspect counts scales of groups without a target", async () => {
  const { linears, parameters, ternaryWeights, ternaryAlready, storage } = JSON.parse(
    await ok("inspect", model, "--json"),
  ) as Inspection;
  const ternary = linears.filter(({ role }) => isBlockRole(role));
  expect(ternaryAlready).toEqual([
    { group: 32, linears: ternary.reduce((sum, { count }) => sum + count, 0) },
  ]);
  const bytes = ternary.map(
    ({ count, inFeatures: k, outFeatures }) =>
      count * outFeatures * (Math.ceil(k / 5) + 2 * Math.ceil(k / 32)),
  );
  const dense = 2 * (parameters - ternaryWeights);
  expect(storage.ternary).toBe(bytes.reduce((a, b) => a + b, dense));
  expect(await ok("inspect", model)).toMatch(/already so +\d+ linears, a scale for each 32 inputs/);
});

it("looking for groups shows how far it is, and passes read nothing afterwards", async () => {
  const reader = fileReader();
  const imported = importModel(model);
  const graph = recognize(imported, reader);
  const seen: number[] = [];
  let all = 0;
  const group = await findGroups(graph, reader, "auto", (done, total) => {
    seen.push(done);
    all = total;
  });
  reader.close();
  expect(all).toBe(graph.model?.blockLinearWeights);
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
  expect(seen.at(-1)).toBe(all);
  const nothing = {
    read(): Uint8Array {
      throw new Error("planning reads no weights");
    },
  };
  const { lowered } = planModel(imported, graph, nothing, {
    target: targetByName("cpu"),
    ternarize: "exact",
    group,
    activations: "f32",
    resolutions: [{ width: 64, height: 64 }],
  });
  expect(lowered.tensors.find(({ name }) => name === "double.0.img.qkv.scales")?.shape).toEqual([288, 3]);
  const events = async (...argv: readonly string[]) =>
    (await cli([...argv, "--progress", "json"])).stderr
      .split("\n")
      .filter((line) => line.includes('"phase":"groups"'));
  expect(await events("inspect", model, "--target", "cpu")).not.toEqual([]);
  const out = join(root, "shown");
  const of = await events("compile", model, "--target", "cpu", "-o", out);
  const exported = await events("export-onnx", model, "-o", join(root, "shown-onnx"));
  for (const shown of [of, exported])
    expect(JSON.parse(shown.at(-1) ?? "")).toMatchObject({ unit: "weights", done: all, total: all });
});

it.each([
  [["--target", "cpu", "--group", "64", "--ternarize", "none"], /TRITC_E_GROUP/],
  [["--target", "cpu", "--group", "48"], /expected: one of 32, 64, 128, 256, row, auto/],
])("refuses %j", async (options, message) => {
  const { code, stderr } = await cli(["compile", model, ...options, "-o", join(root, "no")]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
});
