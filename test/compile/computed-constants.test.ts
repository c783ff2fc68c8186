import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { compileModel } from "../../compiler/compile.js";
import { modelFiles } from "../support/model-files.js";
import { type GraphParts, model, node, tensor, value } from "../support/onnx-builder.js";

const { root } = modelFiles();

/** y = table[i], where nothing but the shape of the table is in the file. */
function gathered(table: Pick<GraphParts, "initializers" | "nodes">): Uint8Array {
  const { initializers = [], nodes = [] } = table;
  return model(
    {
      inputs: [value("i", "i64", [2])],
      outputs: [value("y", "f32", [2])],
      initializers,
      nodes: [...nodes, node("Gather", ["table", "i"], ["y"])],
    },
    { opset: 20 },
  );
}

const shape = (elements: number) => tensor("shape", "i64", [1], [elements]);
const fill = (elements: number) => ({
  initializers: [shape(elements)],
  nodes: [node("ConstantOfShape", ["shape"], ["table"])],
});
const expand = (elements: number) => ({
  initializers: [shape(elements), tensor("one", "f32", [1], [1])],
  nodes: [node("Expand", ["one", "shape"], ["table"])],
});

it.each([
  ["ConstantOfShape", fill],
  ["Expand", expand],
])("%s of a billion elements is refused before anything is written", async (_, table) => {
  const folder = mkdtempSync(join(root, "case-"));
  const input = join(folder, "model.onnx");
  const compile = (elements: number) => {
    writeFileSync(input, gathered(table(elements)));
    const out = join(folder, "out");
    return compileModel({ input, out, target: "cpu", ternarize: "none", activations: "f32", threads: 0 });
  };
  await expect(compile(1e9)).rejects.toMatchObject({ code: "TRITC_E_BUFFER_LIMIT" });
  expect(readdirSync(folder)).toEqual(["model.onnx"]);
  await compile(1000);
  expect(readdirSync(folder)).toContain("out");
});
