/** One model in every form gives one result to the bit, through int8 kernels with scales of groups. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { batchAxesOf, compileGraph } from "../../compiler/compile-graph.js";
import { importModel } from "../../compiler/import-model.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { roundToBfloat } from "../../ir/constant/float16.js";
import { serialize } from "../../ir/format/safetensors.js";
import type { Tensor } from "../../ir/tensor.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { reader, recognized, tensorOf } from "../recognize/models.js";
import type { Tensors } from "../support/diffusers-model.js";
import { fluxInputs } from "../support/flux-builder.js";
import type { FluxSize } from "../support/flux-style.js";
import { type Flux2Style, STYLES2, TINY2 } from "../support/flux2-builder.js";
import { flux2Config, flux2Model } from "../support/flux2-model.js";
import { ggufFile } from "../support/gguf-file.js";
import { modelFiles } from "../support/model-files.js";
import { runCompiled } from "../support/run-compiled.js";

const SIZE: FluxSize = { ...TINY2, heads: 1, axes: [32, 32, 32, 32], mlp: 192, doubles: 1, singles: 1 };
const STYLE: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), guidance: false };
const { onnx, diffusers, original } = flux2Model(SIZE, { seed: 8 });
const { root } = modelFiles();
const device = await createNodeCpuDevice({ threads: 1 });
afterAll(() => device.close());
let count = 0;

function folder(files: Readonly<Record<string, Uint8Array | object>>): string {
  const path = join(root, `${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(path, name), content instanceof Uint8Array ? content : JSON.stringify(content));
  return path;
}

async function computed(path: string): Promise<Tensor> {
  const imported = importModel(path);
  const graph = recognized(imported);
  const result = await compileGraph(graph, reader, {
    ...{ target: cpu, sizes: {}, batchAxes: batchAxesOf(imported, graph) },
    options: { ternarize: "exact", group: 32, activations: "int8" },
  });
  const given = Object.entries(fluxInputs(STYLE, SIZE, { img: 6, txt: 5 }));
  const outputs = await runCompiled(
    result,
    reader,
    device,
    new Map(given.map(([id, t]) => [id, tensorOf(t)])),
  );
  return [...outputs.values()][0]!;
}

const edited = (tensors: Tensors, edit: (tensor: Tensor) => Tensor): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [name, edit(tensor)]));

/** The values of bf16, in a type. */
const rounded = (dtype: "f32" | "bf16") => (tensor: Tensor) => ({
  ...tensor,
  dtype,
  data: (tensor.data as Float32Array).map(roundToBfloat),
});

/** Tensors in turns into parts, with the index that lists them. */
function sharded(stem: string, tensors: Tensors, parts: number): Record<string, Uint8Array | object> {
  const names = [...tensors.keys()];
  const file = (i: number) => `${stem}-0000${(i % parts) + 1}-of-0000${parts}.safetensors`;
  const part = (i: number) => new Map([...tensors].filter((_, k) => k % parts === i));
  return {
    [`${stem}.safetensors.index.json`]: {
      weight_map: Object.fromEntries(names.map((name, i) => [name, file(i)])),
    },
    ...Object.fromEntries(Array.from({ length: parts }, (_, i) => [file(i), serialize(part(i))])),
  };
}

const gguf = (tensors: Tensors, kind: number) =>
  ggufFile({
    tensors: [...tensors].map(([name, { dtype, shape, data }]) => ({
      ...{ name, kind, shape, bytes: encodeBytes(dtype, data) },
    })),
  });

const CONFIG = flux2Config(SIZE);
const PLAIN = "diffusion_pytorch_model";
const bf16 = (tensors: Tensors) => edited(tensors, rounded("bf16"));

it("in f32", async () => {
  const wanted = await computed(
    folder({ "config.json": CONFIG, [`${PLAIN}.safetensors`]: serialize(diffusers) }),
  );
  const forms = {
    onnx: folder({ "model.onnx": onnx }),
    original: folder({ "klein.safetensors": serialize(original) }),
    parts: folder({ "config.json": CONFIG, ...sharded(PLAIN, diffusers, 3) }),
    "original parts": join(folder(sharded("klein", original, 2)), "klein-00002-of-00002.safetensors"),
    GGUF: folder({ "klein.gguf": gguf(original, 0) }),
  };
  for (const [form, path] of Object.entries(forms)) expect(await computed(path), form).toEqual(wanted);
});

it("in bf16", async () => {
  const values = serialize(edited(diffusers, rounded("f32")));
  const wanted = await computed(folder({ "config.json": CONFIG, [`${PLAIN}.safetensors`]: values }));
  const forms = {
    plain: folder({ "config.json": CONFIG, [`${PLAIN}.safetensors`]: serialize(bf16(diffusers)) }),
    variant: folder({ "config.json": CONFIG, [`${PLAIN}.bf16.safetensors`]: serialize(bf16(diffusers)) }),
    original: folder({ "klein.safetensors": serialize(bf16(original)) }),
    GGUF: folder({ "klein.gguf": gguf(bf16(original), 30) }),
  };
  for (const [form, path] of Object.entries(forms)) expect(await computed(path), form).toEqual(wanted);
});
