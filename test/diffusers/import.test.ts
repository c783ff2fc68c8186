/** Diffusers folders and original checkpoints compute what the ONNX export of the same weights computes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  batchAxesOf,
  type Compiled,
  compileGraph,
  portTypesOf,
  recognize,
} from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { inspectGraph } from "../../compiler/inspect.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { deviation, runOrt, tensorOf } from "../recognize/models.js";
import { diffusersConfig, fluxModel, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import { type FluxSize, TINY, TORCHSCRIPT } from "../support/flux-style.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError, runCompiled } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 2 });
});
afterAll(async () => {
  await device.close();
  reader.close();
});

const OUTPUT = TORCHSCRIPT.output;
const TOKENS = { img: 6, txt: 5 };

function inputsOf(size: FluxSize): Map<string, Tensor> {
  // Angles of a large timestep differ by the rounding of the export's frequency table.
  const given = fluxInputs(TORCHSCRIPT, size, TOKENS, { timestep: 0.03, guidance: 0.02 });
  return new Map(Object.entries(given).map(([name, input]) => [name, tensorOf(input)]));
}

function evaluate(graph: Graph, inputs: ReadonlyMap<string, Tensor>): Tensor | undefined {
  const floats = new Map(
    [...inputs].map(([name, t]) => {
      const wanted = graph.types.get(name)?.dtype;
      return [
        name,
        t.dtype === wanted ? t : { ...t, dtype: "f32" as const, data: Float32Array.from(t.data, Number) },
      ];
    }),
  );
  return interpret(graph, floats, { reader }).get(OUTPUT);
}

async function compiled(imported: Graph, ternarize: "none" | "exact"): Promise<Compiled> {
  const recognized = recognize(imported, reader);
  return compileGraph(recognized, reader, {
    target: cpu,
    options: { ternarize, activations: ternarize === "none" ? "f32" : "int8" },
    sizes: {},
    batchAxes: batchAxesOf(imported, recognized),
    dtypes: portTypesOf(imported),
  });
}

/** Heads as FLUX.1's: original checkpoints have no configuration to say otherwise. */
const WIDE: FluxSize = { ...TINY, heads: 1, axes: [16, 56, 56], mlp: 160 };
const tiny = fluxModel(TINY);
const wide = fluxModel(WIDE, 3);

/** The exports, and what the recognizers make of them. */
const exports = {
  tiny: exportOf(tiny.onnx),
  wide: exportOf(wide.onnx),
};

function exportOf(onnx: Uint8Array): { readonly graph: Graph; readonly recognized: Graph } {
  const graph = importModel(files.save(onnx));
  return { graph, recognized: recognize(graph, reader) };
}

const single = join(files.root, "single");
const sharded = join(files.root, "sharded");
const original = join(files.root, "flux1-tiny.safetensors");
const inPipeline = join(files.root, "pipeline.safetensors");
writeDiffusers(join(single, "transformer"), diffusersConfig(TINY), tiny.diffusers);
writeDiffusers(sharded, diffusersConfig(TINY), tiny.diffusers, 3);
writeFileSync(original, serialize(wide.original));
const renamed = [...wide.original].map(([name, t]) => [`model.diffusion_model.${name}`, t] as const);
const vae: Tensor = { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) };
writeFileSync(inPipeline, serialize(new Map([...renamed, ["first_stage_model.decoder.conv_in.bias", vae]])));

describe.each([
  ["a pipeline folder", single, TINY],
  ["its transformer folder", join(single, "transformer"), TINY],
  ["its weight file", join(single, "transformer", "diffusion_pytorch_model.safetensors"), TINY],
  ["a folder of shards", sharded, TINY],
  ["an original checkpoint", original, WIDE],
  ["the checkpoint of a whole pipeline", inPipeline, WIDE],
] as const)("%s", (_, path, size) => {
  const exported = size === TINY ? exports.tiny : exports.wide;
  const graph = importModel(path);
  const recognized = recognize(graph, reader);
  const inputs = inputsOf(size);

  it("computes what the ONNX export computes", () => {
    const wanted = evaluate(exported.graph, inputs);
    expect(relativeError(evaluate(graph, inputs), wanted)).toBeLessThan(1e-5);
    expect(relativeError(evaluate(recognized, inputs), wanted)).toBeLessThan(1e-5);
  });

  it("is the same model to the passes", () => {
    const [found, wanted] = [recognized, exported.recognized].map((graph) =>
      inspectGraph({ graph, stopped: undefined }),
    );
    expect(found?.model).toEqual(wanted?.model);
    expect(found?.counts).toEqual(wanted?.counts);
    expect(found?.unrecognized).toEqual([]);
    expect(found?.linears.map((g) => g.role).sort()).toEqual(wanted?.linears.map((g) => g.role).sort());
    expect(batchAxesOf(graph, recognized)).toEqual(batchAxesOf(exported.graph, exported.recognized));
  });
});

it("computes what ONNX Runtime computes", async () => {
  const given = fluxInputs(TORCHSCRIPT, TINY, TOKENS, { timestep: 0.03, guidance: 0.02 });
  const wanted = await runOrt(tiny.onnx, given);
  const found = evaluate(importModel(sharded), inputsOf(TINY));
  expect(deviation(Float64Array.from(found?.data ?? [], Number), wanted)).toBeLessThan(1e-5);
});

it.each(["none", "exact"] as const)(
  "gives the same numbers as the export on the cpu target (%s)",
  async (ternarize) => {
    const inputs = inputsOf(TINY);
    const [found, wanted] = await Promise.all(
      [sharded, files.save(tiny.onnx)].map(async (path) => {
        const outputs = await runCompiled(
          await compiled(importModel(path), ternarize),
          reader,
          device,
          inputs,
        );
        return outputs.get(OUTPUT);
      }),
    );
    // Int8 codes near a tie may differ with the last bit of a sinusoid.
    expect(relativeError(found, wanted)).toBeLessThan(ternarize === "none" ? 1e-5 : 1e-3);
  },
);

it("prints and parses", () => {
  const graph = importModel(original);
  const text = printGraph(graph);
  expect(printGraph(parseGraph(text))).toBe(text);
});

it("takes ONNX where a folder has both", () => {
  const folder = join(files.root, "both", "transformer");
  writeDiffusers(folder, diffusersConfig(TINY), tiny.diffusers);
  writeFileSync(join(folder, "model.onnx"), tiny.onnx);
  expect(importModel(join(files.root, "both")).nodes.length).toBe(
    importModel(files.save(tiny.onnx)).nodes.length,
  );
});

it("names the bytes of every tensor and reads none", () => {
  const kinds = [...importModel(single).constants.values()].map(({ source }) => source.kind);
  expect(new Set(kinds)).toEqual(new Set(["file"]));
});
