/** Chroma in the files of Diffusers and of its own implementation, and as either exporter writes it: what Diffusers computes. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileGraph, planGraph, recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { summarizeRecognition } from "../../compiler/recognize/index.js";
import { parseSafetensors, serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { familyOf } from "../../ir/models/index.js";
import { usualPadding } from "../../ir/models/text-padding.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Target } from "../../targets/index.js";
import { writeDiffusers } from "../support/diffusers-model.js";
import { wasmDevices, wgslDevices } from "../support/kernel-devices.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const MODELS = join(import.meta.dirname, "../models/chroma");
const FORMS = ["torchscript.onnx", "dynamo.onnx", "diffusers", "original/chroma.safetensors"];
const reader = fileReader();
afterAll(() => reader.close());

const read = (name: string) => parseSafetensors(readFileSync(join(MODELS, `${name}.safetensors`)));
const inputs = read("inputs");
const [expected] = read("expected").values();
/** The mask of text that Diffusers' class is given, all of it shown or the first tokens. */
const withMask = (
  shown: number,
  given: ReadonlyMap<string, Tensor> = inputs,
): ReadonlyMap<string, Tensor> => {
  const tokens = given.get("txt_ids")?.shape[0] ?? 0;
  const data = new Float32Array(tokens).fill(1, 0, shown);
  return new Map(given).set("attention_mask", { dtype: "f32", shape: [1, tokens], data });
};
/** The same of all tokens, as Diffusers' class has it, which knows no other. */
const withTokenMask = (shown: number): ReadonlyMap<string, Tensor> => {
  const text = withMask(shown).get("attention_mask")?.data as Float32Array;
  const data = Float32Array.of(...text, ...new Float32Array(inputs.get("img_ids")?.shape[0] ?? 0).fill(1));
  return new Map(inputs).set("attention_mask", { dtype: "f32", shape: [1, data.length], data });
};
/** The inputs of a graph, of whatever form, for a text that is shown. */
const inputsOf = (graph: Graph) => (graph.inputs.includes("attention_mask") ? withMask(7) : inputs);
const graphOf = (form: string): Graph => recognize(importModel(join(MODELS, form)), reader);
const evaluated = (graph: Graph, given: ReadonlyMap<string, Tensor>) =>
  interpret(graph, given, { reader }).get(graph.outputs[0] ?? "");

function stages(target: Target, ternarize: "none" | "exact" = "none", activations: "f32" | "int8" = "f32") {
  return {
    target,
    options: { ternarize, activations },
    sizes: { img_tokens: 12, txt_tokens: 7, steps: 4 },
    batchAxes: new Map(),
  };
}

describe.each(FORMS)("Chroma: %s", (form) => {
  const graph = graphOf(form);

  it("is found with all of its parts", () => {
    expect(summarizeRecognition(graph).unrecognized).toEqual([]);
    expect(graph.model).toMatchObject({
      ...{
        family: "chroma",
        doubleBlocks: 2,
        singleBlocks: 2,
        hidden: 16,
        heads: 2,
        headDim: 8,
        mlpWidth: 64,
      },
      ...{ inChannels: 8, outChannels: 8, contextDim: 12, pooledDim: null, guidance: false, timeLayers: 2 },
      ...{ ropeAxes: [2, 2, 4], ropeTheta: 10000, timestepScale: 1 },
      roles: {
        ...{ hidden_states: "latents", encoder_hidden_states: "context", timestep: "timestep" },
        ...{ img_ids: "img-ids", txt_ids: "txt-ids" },
        ...(form.endsWith(".onnx") ? {} : { attention_mask: "text-mask" }),
      },
    });
    const roles = graph.nodes.flatMap((node) => (node.op === "linear" ? [node.attrs.role ?? "none"] : []));
    const outside = ["x_embedder", "context_embedder", "proj_out"];
    const layers = ["time_in.0.0", "time_in.0.1", "time_in.1.0", "time_in.1.1"];
    expect(roles.filter((role) => !/^(double|single)\./.test(role)).sort()).toEqual(
      [...outside, "time_in.first", ...layers, "time_in.last"].sort(),
    );
    expect(roles.filter((role) => role.includes("modulation"))).toEqual([]);
  });

  it("is the same function", () => {
    expect(relativeError(evaluated(graph, inputsOf(graph)), expected)).toBeLessThan(5e-6);
  });

  it("computes all modulations before the first step, for all steps", () => {
    const { lowered } = planGraph(graph, reader, stages(cpu.target));
    const labels = (name: string) =>
      lowered.program.phases.find((phase) => phase.name === name)?.launches.map(({ label }) => label) ?? [];
    expect(labels("prompt").filter((label) => label.startsWith("time_in."))).toHaveLength(6);
    expect(labels("step").filter((label) => /^time_in|^(expand|part)/.test(label))).toEqual([]);
  });
});

const cpu = wasmDevices();
const webgpu = wgslDevices();

describe.each([cpu, webgpu])("Chroma through kernels", ({ target, devices }) => {
  it.each([
    ["dynamo.onnx", inputs, "expected"],
    ["diffusers", withMask(4), "expected-weakened"],
    ["dynamo-weakened.onnx", withTokenMask(4), "expected-weakened"],
  ] as const)(`${target.name}: %s`, async (form, given, result) => {
    const compiled = await compileGraph(graphOf(form), reader, stages(target));
    const [wanted] = read(result).values();
    for (const device of Object.values(devices())) {
      const [found] = (await runCompiled(compiled, reader, device, given)).values();
      expect(relativeError(found, wanted)).toBeLessThan(5e-6);
    }
  });

  it.each([
    ["f32", 1e-5],
    // A float at the tie of two codes moves what follows.
    ["int8", 1e-3],
  ] as const)(`${target.name}: with ternary blocks and rows of %s`, async (activations, tolerance) => {
    const compiled = await compileGraph(graphOf("diffusers"), reader, stages(target, "exact", activations));
    const wanted = evaluated(compiled.graph, withMask(4));
    expect(relativeError(wanted, expected)).toBeGreaterThan(0.01);
    for (const device of Object.values(devices())) {
      const [found] = (await runCompiled(compiled, reader, device, withMask(4))).values();
      expect(relativeError(found, wanted)).toBeLessThan(tolerance);
    }
  });
});

describe("text of Chroma", () => {
  it.each(["diffusers", "original/chroma.safetensors"])(
    "is weakened by a mask as Diffusers does it: %s",
    (form) => {
      const [weakened] = read("expected-weakened").values();
      expect(relativeError(evaluated(graphOf(form), withMask(4)), weakened)).toBeLessThan(5e-6);
    },
  );

  it("is weakened by the mask of all tokens that an export has, which is an input", () => {
    const graph = graphOf("dynamo-weakened.onnx");
    expect(graph.model?.roles).toMatchObject({ attention_mask: "token-mask" });
    const [weakened] = read("expected-weakened").values();
    expect(relativeError(evaluated(graph, withTokenMask(4)), weakened)).toBeLessThan(5e-6);
    expect(relativeError(evaluated(graph, withTokenMask(7)), expected)).toBeLessThan(5e-6);
    expect(usualPadding(graph.model ?? expect.fail())).toBe("seen");
    expect(usualPadding(graphOf("dynamo.onnx").model ?? expect.fail())).toBe("hidden");
  });

  it("is given with a mask whose tokens of the picture are all shown", () => {
    const { model = expect.fail() } = graphOf("dynamo-weakened.onnx");
    const values = familyOf(model).values({
      ...{ model, geometry: { latentHeight: 6, latentWidth: 8 } as never, latents: new Float32Array(12 * 8) },
      ...{ context: new Float32Array(7 * 12), contextTokens: 7, shownTokens: 4, pooled: new Float32Array() },
      ...{ guidance: 1, timesteps: Float32Array.of(0.5) },
    });
    expect([...(values["token-mask"] ?? [])]).toEqual([1, 1, 1, 1, 0, 0, 0, ...Array(12).fill(1)]);
    expect([...(values["text-mask"] ?? [])]).toEqual([1, 1, 1, 1, 0, 0, 0]);
  });

  it("is given without the tokens that the mask of an export hides, and the mask is no input", () => {
    const masked = graphOf("dynamo-masked.onnx");
    expect(masked.inputs).toEqual(graphOf("dynamo.onnx").inputs);
    expect(masked.model).toEqual(graphOf("dynamo.onnx").model);
    expect(relativeError(evaluated(masked, inputs), expected)).toBeLessThan(5e-6);
  });

  it("without the tokens that Diffusers masks gives what Diffusers gives with the mask", () => {
    const kept = new Map(inputs);
    for (const [name, axis] of [
      ["encoder_hidden_states", 1],
      ["txt_ids", 0],
    ] as const) {
      const { dtype, shape, data } = inputs.get(name) as Tensor;
      const width = shape.at(-1) ?? 0;
      kept.set(name, { dtype, shape: shape.with(axis, 4), data: data.slice(0, 4 * width) as Float32Array });
    }
    const [masked] = read("expected-masked").values();
    expect(relativeError(evaluated(graphOf("diffusers"), withMask(4, kept)), masked)).toBeLessThan(5e-6);
    expect(relativeError(expected, masked)).toBeGreaterThan(0.01);
  });
});

describe("a Chroma that is not whole", () => {
  const files = modelFiles();
  const tensors = parseSafetensors(
    readFileSync(join(MODELS, "diffusers/diffusion_pytorch_model.safetensors")),
  );
  const config = JSON.parse(readFileSync(join(MODELS, "diffusers/config.json"), "utf8"));

  it("lacks a tensor, or has one of FLUX.1's", () => {
    const without = new Map(tensors);
    without.delete("distilled_guidance_layer.norms.1.weight");
    writeDiffusers(files.root, config, without);
    expect(() => importModel(files.root)).toThrow(/norms\.1\.weight: a tensor of the model is missing/);
    const more = new Map(tensors).set("norm_out.linear.weight", tensors.get("x_embedder.weight") as Tensor);
    writeDiffusers(files.root, config, more);
    expect(() => importModel(files.root)).toThrow(/no use for[\s\S]*norm_out[\s\S]*plain Chroma transformer/);
  });

  it("has heads that nothing says the rotation of", () => {
    const file = join(mkdtempSync(join(files.root, "alone-")), "chroma.safetensors");
    writeFileSync(file, serialize(tensors));
    expect(() => importModel(file)).toThrow(/heads of Chroma[\s\S]*128/);
  });
});

it("is drawn by two passes a step where nobody says", () => {
  const model = graphOf("diffusers").model;
  if (model === undefined) throw new Error("there is no model");
  expect(familyOf(model).sampling.stepsAndGuidance(model, 8, null)).toEqual({ steps: 35, guidance: 5 });
});
