import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { encodeHalf } from "../../ir/constant/float16.js";

/** Element types of ONNX. */
const F32 = 1;
const F16 = 10;

/** Constants of fewer bytes stay as they are. */
const SMALL = 4096;

/** Bits of an infinite f16, and of its NaNs, without their sign. */
const BEYOND = 0x7c00;

/**
 * An ONNX model with its f32 constants as f16 behind a Cast, as exporters of half precision write them: half of the bytes,
 * the same computation in f32, of weights rounded to nearest even. Throws where one has no finite f16.
 */
export function halveWeights(file: Uint8Array): Uint8Array {
  const model = onnxProto.onnx.ModelProto.decode(file);
  const { graph } = model;
  if (!graph) throw new Error("an ONNX model without a graph");
  const casts: Onnx.INodeProto[] = [];
  for (const tensor of graph.initializer ?? []) {
    const { name, rawData } = tensor;
    if (tensor.dataType !== F32 || !name || !rawData || rawData.length < SMALL) continue;
    const half = encodeHalf(new Float32Array(Uint8Array.from(rawData).buffer));
    if (half.some((bits) => (bits & BEYOND) === BEYOND))
      throw new Error(`${name} has values that f16 has not`);
    tensor.name = `${name}.f16`;
    tensor.dataType = F16;
    tensor.rawData = new Uint8Array(half.buffer);
    casts.push({
      opType: "Cast",
      input: [tensor.name],
      output: [name],
      attribute: [{ name: "to", type: 2, i: F32 }],
    });
  }
  graph.node = [...casts, ...(graph.node ?? [])];
  return onnxProto.onnx.ModelProto.encode(model).finish();
}
