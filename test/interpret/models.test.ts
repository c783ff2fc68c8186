import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { evaluateModel } from "../../compiler/evaluate.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { parseSafetensors } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { Tensor } from "../../ir/tensor.js";
import { expectClose, f32, runBoth, whole } from "./onnx-case.js";

const MODELS = fileURLToPath(new URL("../models/", import.meta.url));

function tensors(file: string): Map<string, Tensor> {
  return new Map(parseSafetensors(readFileSync(file), file));
}

/** ‖a − b‖ / ‖b‖ */
function relativeError(a: Tensor, b: Tensor): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.data.length; i++) {
    const y = Number(b.data[i]);
    difference += (Number(a.data[i]) - y) ** 2;
    norm += y ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** What each graph input may hold; symbols have the sizes below. */
const SIZES: Readonly<Record<string, number>> = { batch: 2, batch_size: 2, height: 5, width: 7 };

function inputsFor(graph: Graph): Map<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  for (const id of graph.inputs) {
    const { dtype, shape } = graph.types.get(id)!;
    const dims = (shape ?? []).map((d) => (typeof d === "number" ? d : (SIZES[d] ?? 3)));
    inputs.set(id, dtype === "f32" ? f32(...dims) : whole(dtype, 0, 20, ...dims));
  }
  return inputs;
}

describe("other parts of a pipeline", () => {
  const parts = ["text_encoder", "text_encoder_2", "vae_decoder"];
  it.each(parts)("%s agrees with ONNX Runtime", async (part) => {
    const file = join(MODELS, "shapes", part, "model.onnx");
    const inputs = inputsFor(importOnnx(file));
    const { found, expected } = await runBoth(readFileSync(file), inputs);
    for (const [name, tensor] of expected) expectClose(found.get(name), tensor, 1e-4, name);
  });

  it.each(["import/ts14-decomposed", "import/ts17-optimum", "import/ts17-schnell-static"])(
    "%s agrees too",
    async (folder) => {
      const path = join(MODELS, folder);
      const { found, expected } = await runBoth(
        readFileSync(join(path, "model.onnx")),
        tensors(join(path, "inputs.safetensors")),
      );
      for (const [name, tensor] of expected) expectClose(found.get(name), tensor, 1e-4, name);
    },
  );

  it("f64 arithmetic stays close to f32 and is not the same", () => {
    const path = join(MODELS, "import/ts17-optimum");
    const graph = importOnnx(join(path, "model.onnx"));
    const inputs = tensors(join(path, "inputs.safetensors"));
    const [output] = graph.outputs;
    const narrow = evaluateModel(graph, inputs, { reader: fileReader() }).get(output!)!;
    const wide = evaluateModel(graph, inputs, { reader: fileReader(), precision: "f64" }).get(output!)!;
    expect(wide.data).toBeInstanceOf(Float64Array);
    expect(relativeError(narrow, wide)).toBeLessThan(1e-4);
    expect(relativeError(narrow, wide)).toBeGreaterThan(0);
  });
});

describe("exported transformers", () => {
  const folders = [
    "import/ts14-decomposed",
    "import/ts17-optimum",
    "import/ts17-schnell-static",
    "shapes-ternary/transformer",
    "shapes-distilled/transformer",
  ];
  it.each(folders)("%s gives what PyTorch or ONNX Runtime gave", (folder) => {
    const path = join(MODELS, folder);
    const graph = importOnnx(join(path, "model.onnx"));
    const outputs = evaluateModel(graph, tensors(join(path, "inputs.safetensors")), { reader: fileReader() });
    const [expected] = tensors(join(path, "expected.safetensors")).values();
    const found = outputs.get(graph.outputs[0]!);
    expect(found?.shape).toEqual(expected?.shape);
    expect(relativeError(found!, expected!)).toBeLessThan(1e-4);
  });
});
