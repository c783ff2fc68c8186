/** Names that a file gives to axes and values are names and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { inspectGraph } from "../../compiler/inspect.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { recognition } from "../../compiler/recognize/recognition.js";
import { parseProgram, printProgram } from "../../ir/program/json.js";
import type { Device } from "../../runtime/device.js";
import { createNodeCpuDevice } from "../../runtime/node/cpu.js";
import { cpu } from "../../targets/index.js";
import { modelFiles } from "../support/model-files.js";
import { type GraphParts, model, node, tensor, value } from "../support/onnx-builder.js";
import { runCompiled } from "../support/run-compiled.js";

const files = modelFiles();
const reader = fileReader();
let device: Device;
beforeAll(async () => {
  device = await createNodeCpuDevice({ threads: 1 });
});
afterAll(async () => {
  await device.close();
  reader.close();
});

function compiled(parts: GraphParts) {
  const imported = importOnnx(files.save(model(parts)));
  const found = recognition(imported, reader);
  return {
    inspection: inspectGraph(found),
    compile: () =>
      compileGraph(found.graph, reader, {
        target: cpu,
        options: { ternarize: "none", activations: "f32" },
        sizes: {},
        batchAxes: new Map(),
        dtypes: portTypesOf(imported),
      }),
  };
}

const f32 = (shape: readonly number[], ...data: number[]) =>
  ({ dtype: "f32", shape, data: Float32Array.from(data) }) as const;

describe("names", () => {
  it.each(["constructor", "__proto__", "toString", "hasOwnProperty", "steps", "img_tokens", "\u001b[2J"])(
    "%j of an axis, a value and a tensor",
    async (name) => {
      const { compile } = compiled({
        inputs: [value(name, "f32", [name, 2])],
        outputs: [value("valueOf", "f32")],
        initializers: [tensor(`${name}.w`, "f32", [2], [10, 100])],
        nodes: [node("Mul", [name, `${name}.w`], ["valueOf"], {}, { name })],
      });
      const program = await compile();
      expect(parseProgram(printProgram(program.lowered.program))).toEqual(program.lowered.program);
      const outputs = await runCompiled(program, reader, device, new Map([[name, f32([2, 2], 1, 2, 3, 4)]]));
      expect(outputs.get("valueOf")).toEqual(f32([2, 2], 10, 200, 30, 400));
    },
  );

  it("that differ in characters which symbols lack are different sizes", async () => {
    const { compile } = compiled({
      inputs: [value("a", "f32", ["n-1"]), value("b", "f32", ["n_1"])],
      outputs: [value("y", "f32")],
      nodes: [node("Concat", ["a", "b"], ["y"], { axis: { i: 0 } })],
    });
    const inputs = new Map([
      ["a", f32([1], 1)],
      ["b", f32([2], 2, 3)],
    ]);
    const outputs = await runCompiled(await compile(), reader, device, inputs);
    expect(outputs.get("y")).toEqual(f32([3], 1, 2, 3));
  });
});

describe("an input without a shape", () => {
  const parts: GraphParts = {
    inputs: [value("x", "f32")],
    outputs: [value("y", "f32")],
    initializers: [tensor("w", "f32", [2, 2], [1, 0, 0, 1])],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  };

  it("is listed with an unknown shape", () => {
    expect(compiled(parts).inspection.inputs).toEqual([
      { name: "x", role: null, type: "f32, shape unknown" },
    ]);
  });

  it("is refused by name when kernels are made", async () => {
    await expect(compiled(parts).compile()).rejects.toThrow(/input x: the model does not say the shape/);
  });
});
