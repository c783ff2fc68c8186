import onnxProto from "onnx-proto";

/** An ONNX model of one f32 product y[m, n] = x[m, k] · w[k, n] with a constant weight, for ONNX Runtime. */
export function matMulModel(m: number, k: number, n: number, w: Float32Array<ArrayBuffer>): Uint8Array {
  const port = (name: string, shape: readonly number[]) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  });
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "matmul",
      node: [{ opType: "MatMul", input: ["x", "w"], output: ["y"] }],
      initializer: [{ name: "w", dims: [k, n], dataType: 1, rawData: new Uint8Array(w.buffer) }],
      input: [port("x", [m, k])],
      output: [port("y", [m, n])],
    },
  }).finish();
}
