import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOrtSession } from "../../runtime/node/ort-session.js";
import { writeModelFiles } from "../onnx-export/files.js";
import { lowestOpset } from "../onnx-export/format.js";
import { type OnnxGraph, valueInfo } from "../onnx-export/graph.js";
import { OnnxWriter } from "../onnx-export/writer.js";
import { removeOnExit } from "../temporary.js";
import { packageVersion } from "../version.js";

/** tr(A·H·Aᵀ) in ONNX Runtime, which has all processors for the product. */
export interface QuadraticForm {
  /** Sets H [k, k]. */
  take(h: Float64Array, k: number): Promise<void>;
  /** Of A [n, k]. */
  of(a: Float32Array, k: number): Promise<number>;
  close(): Promise<void>;
}

export async function openQuadraticForm(threads?: number): Promise<QuadraticForm> {
  const folder = await mkdtemp(join(tmpdir(), "tritc-compare-"));
  const isGone = removeOnExit(folder);
  try {
    const file = join(folder, "model.onnx");
    const opset = lowestOpset("dequantized");
    const contents = { name: "quadratic-form", opset, producerVersion: packageVersion(), graph: graph() };
    await writeModelFiles(file, contents);
    const session = await openOrtSession(file, { threads });
    return {
      take: (h, k) => session.hold("h", { data: Float32Array.from(h), shape: [k, k] }, "h.next"),
      async of(a, k) {
        const outputs = await session.run({ a: { data: a, shape: [a.length / k, k] } });
        // A row's sum is f32, that of the rows f64.
        return outputs.get("squares")?.data.reduce((sum, square) => sum + square, 0) ?? Number.NaN;
      },
      close: () => session.close(),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
    isGone();
  }
}

/** The row sums of (A·H)∘A. H is an input that is held, and goes through as it is. */
function graph(): OnnxGraph {
  const writer = new OnnxWriter(["a", "h", "squares", "h.next"]);
  const product = writer.op("Mul", [writer.op("MatMul", ["a", "h"]), "a"]);
  writer.output("ReduceSum", [product, writer.integers([1])], "squares", { keepdims: { int: 0 } });
  writer.output("Identity", ["h"], "h.next");
  const port = (name: string, dims: readonly string[]) => valueInfo({ name, dtype: "f32", dims });
  return {
    inputs: [port("a", ["n", "k"]), port("h", ["k", "k"])],
    outputs: [port("squares", ["n"]), port("h.next", ["k", "k"])],
    nodes: writer.nodes,
    initializers: writer.initializers,
  };
}
