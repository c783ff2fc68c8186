import onnxProto from "onnx-proto";

/** A convolution of 3 by 3 pixels that keeps the size of the picture. */
export interface ConvShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
}

/** An ONNX model of one f32 convolution y[1, n, H, W] = x[1, c, H, W] ∗ w[n, c, 3, 3], for ONNX Runtime. */
export function convModel(shape: ConvShape, w: Float32Array<ArrayBuffer>): Uint8Array {
  const { height, width, channels, filters } = shape;
  const port = (name: string, dims: readonly number[]) => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  const dims = [filters, channels, 3, 3];
  return onnxProto.onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "conv",
      node: [
        {
          opType: "Conv",
          input: ["x", "w"],
          output: ["y"],
          attribute: [{ name: "pads", type: 7, ints: [1, 1, 1, 1] }],
        },
      ],
      initializer: [{ name: "w", dims, dataType: 1, rawData: new Uint8Array(w.buffer) }],
      input: [port("x", [1, channels, height, width])],
      output: [port("y", [1, filters, height, width])],
    },
  }).finish();
}
