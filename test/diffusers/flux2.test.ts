/** FLUX.2 from Diffusers folders and original checkpoints: the graph, and the numbers, of its ONNX export. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importModel } from "../../compiler/import-model.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { tensorOf } from "../recognize/models.js";
import { type Tensors, writeDiffusers } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import type { FluxSize } from "../support/flux-style.js";
import { type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { flux2Config, flux2Model } from "../support/flux2-model.js";
import { modelFiles } from "../support/model-files.js";
import { relativeError } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
afterAll(() => reader.close());

/** Heads of 128 channels, as all of FLUX.2 has them. */
const WIDE: FluxSize = { ...TINY2, heads: 1, axes: [32, 32, 32, 32], mlp: 192, doubles: 1 };
let count = 0;

function folder(): string {
  const path = join(files.root, `flux2-${count++}`);
  mkdirSync(path);
  return path;
}

function saved(name: string, bytes: Uint8Array): string {
  const file = join(folder(), name);
  writeFileSync(file, bytes);
  return file;
}

function evaluate(graph: Graph, size: FluxSize, guidance: boolean): Tensor | undefined {
  const style: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), guidance };
  const given = fluxInputs(style, size, { img: 7, txt: 3 }, { timestep: 0.5, guidance: 2 });
  const inputs = new Map(
    Object.entries(given).map(([name, value]) => {
      const isIds = value.type === "i64" && graph.types.get(name)?.dtype === "f32";
      return [name, tensorOf(isIds ? { ...value, type: "f32" } : value)];
    }),
  );
  return interpret(graph, inputs, { reader }).get(graph.outputs[0] ?? "");
}

function expectSame(path: string, onnx: Uint8Array, size: FluxSize, guidance: boolean): void {
  const wanted = recognize(importModel(saved("model.onnx", onnx)), reader);
  const found = recognize(importModel(path), reader);
  expect(found.model).toEqual({ ...wanted.model, roles: found.model?.roles });
  const rolesOf = ({ nodes }: Graph) =>
    nodes.flatMap((n) => (n.op === "linear" ? [n.attrs.role] : [])).sort();
  expect(rolesOf(found)).toEqual(rolesOf(wanted));
  const error = relativeError(evaluate(found, size, guidance), evaluate(wanted, size, guidance));
  expect(error).toBeLessThan(1e-5);
}

const prefixed = (tensors: Tensors, prefix: string): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [`${prefix}${name}`, tensor]));

describe.each([false, true])("FLUX.2 with guidance: %s", (guidance) => {
  it("as a Diffusers folder, in one file and in parts", () => {
    const model = flux2Model(TINY2, { guidance });
    for (const parts of [1, 3]) {
      const path = folder();
      writeDiffusers(path, flux2Config(TINY2, guidance), model.diffusers, parts);
      expectSame(path, model.onnx, TINY2, guidance);
    }
  });

  it("as an original checkpoint without a configuration, under any prefix, and in Diffusers' names", () => {
    const model = flux2Model(WIDE, { guidance, seed: 3 });
    for (const tensors of [
      model.original,
      prefixed(model.original, "model.diffusion_model."),
      model.diffusers,
    ])
      expectSame(saved("flux2.safetensors", serialize(tensors)), model.onnx, WIDE, guidance);
  });
});

describe("a FLUX.2 that is not whole", () => {
  const model = flux2Model(TINY2);

  it("lacks a tensor, or has one too many", () => {
    const path = folder();
    const tensors = new Map(model.diffusers);
    tensors.delete("single_stream_modulation.linear.weight");
    writeDiffusers(path, flux2Config(TINY2), tensors);
    expect(() => importModel(path)).toThrow(
      /single_stream_modulation\.linear\.weight: a tensor of the model is/,
    );
    const more = new Map(model.diffusers).set(
      "x_embedder.bias",
      model.diffusers.get("proj_out.weight") as Tensor,
    );
    writeDiffusers(path, flux2Config(TINY2), more);
    expect(() => importModel(path)).toThrow(
      /no use for[\s\S]*x_embedder\.bias[\s\S]*plain FLUX\.2 transformer/,
    );
  });

  it("has settings that are not known, or say what no model has", () => {
    const path = folder();
    writeDiffusers(path, { ...flux2Config(TINY2), window: 3 }, model.diffusers);
    expect(() => importModel(path)).toThrow(/setting that is not known[\s\S]*window/);
    writeDiffusers(path, { ...flux2Config(TINY2), rope_theta: -1 }, model.diffusers);
    expect(() => importModel(path)).toThrow(/rope_theta[\s\S]*a number above 0/);
  });

  it("has heads that nothing says the rotation of", () => {
    const file = saved("flux2.safetensors", serialize(model.original));
    expect(() => importModel(file)).toThrow(/heads of FLUX\.2[\s\S]*128/);
  });
});
