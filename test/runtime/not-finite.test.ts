import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { latentGeometry } from "../../ir/models/flux1/latents.js";
import { phasesWith } from "../../ir/program/phases.js";
import type { Launch, Program } from "../../ir/program/program.js";
import type { LoadedProgram } from "../../runtime/device.js";
import { openPipelineModels } from "../../runtime/node/pipeline-models.js";
import type { SampleRequest } from "../../runtime/sample-inputs.js";
import { requireSampler, sample } from "../../runtime/sampler.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritc-finite-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the small pipeline, one of its networks replaced. */
async function pipelineWith(name: string, network?: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await cp("test/models/shapes", path, {
    recursive: true,
    filter: (from) => !/transformer|eval|README/.test(from),
  });
  await cp(join(path, "vae_decoder"), join(path, "vae_encoder"), { recursive: true });
  if (network !== undefined) await writeFile(join(path, name, "model.onnx"), network);
  return path;
}

/** A network whose result is its mean over squares of pixels, or an upsampled one, divided by zero. */
function divides(from: readonly [string, number], to: readonly [string, number], scale: number): Uint8Array {
  const [input, channels] = from;
  return model(
    {
      inputs: [value(input, "f32", ["b", channels, "h", "w"])],
      outputs: [value(to[0], "f32", ["b", to[1], "oh", "ow"])],
      initializers: [
        tensor("weights", "f32", [to[1], channels, 1, 1], new Array<number>(to[1] * channels).fill(1)),
        tensor("zero", "f32", [1], [0]),
        tensor("scales", "f32", [4], [1, 1, scale, scale]),
      ],
      nodes: [
        node("Resize", [input, "", "scales"], ["resized"]),
        node("Conv", ["resized", "weights"], ["mixed"]),
        node("Div", ["mixed", "zero"], [to[0]]),
      ],
    },
    { opset: 17 },
  );
}

describe("values that are not finite", () => {
  it("of a text encoder name its file", async () => {
    const encoder = model(
      {
        inputs: [value("input_ids", "i64", ["b", 12])],
        outputs: [value("pooler_output", "f32", ["b", 12])],
        initializers: [tensor("zero", "f32", [1], [0])],
        nodes: [
          node("Cast", ["input_ids"], ["ids"], { to: { i: 1 } }),
          node("Div", ["ids", "zero"], ["pooler_output"]),
        ],
      },
      { opset: 17 },
    );
    const models = await openPipelineModels(await pipelineWith("text_encoder", encoder), { threads: 1 });
    await expect(models.encode("a ring")).rejects.toThrow(
      /text_encoder\/model\.onnx[\s\S]*pooler_output holds NaN[\s\S]*float32/,
    );
    await models.close();
  });

  it("of the VAE's decoder name its file", async () => {
    const decoder = divides(["latent_sample", 16], ["sample", 3], 8);
    const models = await openPipelineModels(await pipelineWith("vae_decoder", decoder), { threads: 1 });
    await expect(models.decode(new Float32Array(1024).fill(1), 64, 64)).rejects.toThrow(
      /vae_decoder\/model\.onnx[\s\S]*sample holds NaN or infinite/,
    );
    await models.close();
  });

  it("of the VAE's encoder name its file", async () => {
    const encoder = divides(["sample", 3], ["latent_parameters", 32], 1 / 8);
    const models = await openPipelineModels(await pipelineWith("vae_encoder", encoder), { threads: 1 });
    await expect(models.encodePicture(new Float32Array(3 * 64 * 64).fill(1), 64, 64)).rejects.toThrow(
      /vae_encoder\/model\.onnx[\s\S]*latent_parameters holds NaN or infinite/,
    );
    await models.close();
  });

  it("of the transformer name the step", async () => {
    const loaded = stepper((step) => (step === 2 ? Number.POSITIVE_INFINITY : 1));
    await expect(sample(loaded, PROGRAM, { ...REQUEST, remedy: "try this" })).rejects.toMatchObject({
      code: "TRITC_E_NOT_FINITE",
      message: expect.stringMatching(/^step 3 of 4: what the transformer predicts[\s\S]*try: {6}try this/),
    });
    await expect(
      sample(
        stepper(() => 1),
        PROGRAM,
        REQUEST,
      ),
    ).resolves.toHaveLength(64);
  });

  it("that were given are refused before anything runs", async () => {
    const latents = REQUEST.latents.slice();
    latents[7] = Number.NaN;
    const loaded = stepper(() => {
      throw new Error("ran");
    });
    await expect(sample(loaded, PROGRAM, { ...REQUEST, latents })).rejects.toThrow(
      /latents[\s\S]*found: {4}NaN at 7 of 64/,
    );
  });
});

describe("a program that cannot be sampled", () => {
  const changed = (changes: Partial<Program["inputs"][number]>): Program => ({
    ...PROGRAM,
    inputs: PROGRAM.inputs.map((port) => ({ ...port, ...changes })),
  });

  it("is refused with the inputs that it takes", () => {
    requireSampler(PROGRAM);
    expect(() => requireSampler(changed({ name: "controlnet_block_samples_0", role: null }))).toThrow(
      /no values for: controlnet_block_samples_0/,
    );
    expect(() => requireSampler(changed({ shape: [2, "img_tokens", 64] }))).toThrow(/a batch of 2/);
    expect(() => requireSampler({ ...PROGRAM, inputs: [] })).toThrow(/no input that takes the latents/);
    expect(() => requireSampler({ ...changed({ name: "x", role: null }), model: null }, "bundle")).toThrow(
      /^bundle: this bundle cannot be sampled[\s\S]*generic operations, with the inputs x/,
    );
  });
});

const PROGRAM: Program = {
  target: "cpu",
  symbols: ["img_tokens", "steps"],
  buffers: [
    { id: "x", dtype: "f32", elements: 64, storage: { kind: "host" } },
    { id: "v", dtype: "f32", elements: 64, storage: { kind: "host" } },
  ] as unknown as Program["buffers"],
  kernels: [],
  phases: phasesWith({
    load: [],
    prompt: [],
    step: [],
    euler: [{}] as unknown as readonly Launch[],
  }),
  inputs: [
    {
      name: "latents",
      role: "latents",
      buffer: "x",
      dtype: "f32",
      shape: [1, "img_tokens", 64],
      batchAxis: 0,
    },
  ],
  outputs: [
    { name: "out", role: null, buffer: "v", dtype: "f32", shape: [1, "img_tokens", 64], batchAxis: 0 },
  ],
  model: { family: "flux1" } as Program["model"],
};

const REQUEST: SampleRequest = {
  geometry: latentGeometry(16, 16),
  schedule: {
    sigmas: Float32Array.of(1, 0.75, 0.5, 0.25, 0),
    timesteps: new Float32Array(4),
    modelTimesteps: new Float32Array(4),
  },
  latents: new Float32Array(64).fill(1),
  context: new Float32Array(0),
  contextTokens: 0,
  pooled: new Float32Array(0),
  guidance: 1,
};

/** A device whose model predicts one number at each step. */
function stepper(velocity: (step: number) => number): LoadedProgram {
  const x = new Float32Array(64);
  const v = new Float32Array(64);
  return {
    bind: async () => undefined,
    write: (_, data) => x.set(data),
    run: async (phases, step) => {
      if (!phases.includes("step")) return;
      v.fill(velocity(step));
      for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) - 0.25 * (v[i] ?? 0);
    },
    read: async (buffer) => (buffer === "x" ? x.slice() : v.slice()),
    memoryBytes: () => 0,
    peakMemoryBytes: () => 0,
    close: async () => undefined,
  };
}
