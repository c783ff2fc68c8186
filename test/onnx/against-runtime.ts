import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import type { Graph } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import type { ModelFiles } from "../support/model-files.js";
import { tensor, value } from "../support/onnx-builder.js";

/** The input that every model of these tests has, `x`, and its declaration. */
export const X: Tensor = { dtype: "f32", shape: [2, 3], data: Float32Array.of(1, -2, 3, 0.5, 5, -6) };
export const x = value("x", "f32", ["rows", 3]);

/** Runs a model of input x by ONNX Runtime and by the interpreter, and compares output y. Gives the graph. */
export async function agree(files: ModelFiles, bytes: Uint8Array): Promise<Graph> {
  const imported = importOnnx(files.save(bytes));
  verifyGraph(imported);
  const reader = fileReader();
  const ours = interpret(imported, new Map([["x", X]]), { reader }).get("y");
  reader.close();
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const theirs = (await session.run({ x: new OrtTensor("float32", X.data.slice(), [...X.shape]) })).y;
  await session.release();
  expect(ours?.shape).toEqual(theirs?.dims);
  expect(Array.from(ours?.data ?? [], Number)).toEqual(Array.from(theirs?.data as Float32Array, Number));
  return imported;
}

export function i64(name: string, values: readonly number[], dims: readonly number[] = [values.length]) {
  return tensor(name, "i64", dims, values);
}
