import { GraphBuilder } from "../../compiler/graph-builder.js";
import { node } from "../peer-model.js";
import { graphTask } from "./graph-task.js";
import { floats, weightReader } from "./numbers.js";
import { onnxRuntimeTask } from "./onnx-runtime.js";
import { closeAll } from "./opened.js";
import type { BenchContext, Opened, Subject } from "./subject.js";

/** A convolution of 3 by 3 pixels that keeps the size of the picture. */
interface Size {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
}

/** As FLUX's autoencoder has them. */
const SIZES: readonly Size[] = [
  { height: 64, width: 64, channels: 512, filters: 512 },
  { height: 128, width: 128, channels: 256, filters: 256 },
  { height: 256, width: 256, channels: 256, filters: 256 },
  { height: 256, width: 256, channels: 128, filters: 128 },
  { height: 256, width: 256, channels: 128, filters: 3 },
];

const TOLERANCE = 1e-5;

/** Convolutions of pictures whose pixels are rows of channels, beside ONNX Runtime's of planes. */
export const CONVOLUTIONS: readonly Subject[] = SIZES.map((size) => {
  const { height, width, channels, filters } = size;
  return {
    name: `kernels/conv ${height} x ${width} x ${channels} to ${filters}`,
    open: (context) => openConvolution(size, context),
  };
});

async function openConvolution(size: Size, context: BenchContext): Promise<Opened> {
  const { height, width, channels, filters } = size;
  const [x, w] = [floats(height * width * channels), floats(filters * 9 * channels)];
  const builder = new GraphBuilder();
  const input = builder.input("x", [1, height, width, channels]);
  const source = { kind: "file", file: "floats", offset: 0, length: w.byteLength } as const;
  const weights = builder.constant("w", { dtype: "f32", shape: [filters, 3, 3, channels], source });
  const attrs = { stride: 1, pads: [1, 1, 1, 1], upsample: 1 };
  const graph = builder.graph("conv", [builder.node("y", "image-conv", [input, weights], attrs)]);
  const planes = {
    inputs: { x: [1, channels, height, width] },
    output: [1, filters, height, width],
    weights: { w: { dims: [filters, channels, 3, 3], type: "f32", data: turn(w, filters, 9, channels) } },
    nodes: [node("Conv", ["x", "w"], ["y"], { pads: [1, 1, 1, 1] })],
  } as const;
  const peer = await onnxRuntimeTask(
    "ONNX Runtime Conv",
    planes,
    { x: turn(x, 1, height * width, channels) },
    context,
  );
  const rows = async () =>
    turn(Float32Array.from((await peer.task.result?.()) ?? []), 1, filters, height * width);
  return closeAll([
    { ...peer, task: { ...peer.task, result: rows } },
    await graphTask("rows of channels", graph, { x }, context, {
      reader: weightReader(),
      tolerance: TOLERANCE,
    }),
  ]);
}

/** [a, c, b] from [a, b, c]. */
function turn(values: Float32Array, a: number, b: number, c: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let l = 0; l < c; l++) out[(i * c + l) * b + j] = values[(i * b + j) * c + l] ?? 0;
  return out;
}
