import { readFile } from "node:fs/promises";
import { matMulModel, type NBits, nBitsModel } from "../matmul-model.js";
import { encodeModel, type PeerModel } from "../peer-model.js";
import { type Contender, floatsOf, type Layer } from "./layer.js";

/** A product in ONNX Runtime's WebGPU provider. */
export interface Peer {
  readonly name: string;
  model(layer: Layer): PeerModel;
}

/** The float graph, MatMul(x, wᵀ). */
const matMul: Peer = {
  name: "ONNX Runtime MatMul, f32",
  model(layer) {
    const { k, n } = layer;
    const w = floatsOf(layer);
    const transposed = new Float32Array(k * n);
    for (let o = 0; o < n; o++) for (let i = 0; i < k; i++) transposed[i * n + o] = w[o * k + i] ?? 0;
    return matMulModel(layer, transposed);
  },
};

/** Two and four bits, blocks of 32 and 128 inputs; rows as they are, or in int8. */
export const PEERS: readonly Peer[] = [
  matMul,
  ...([2, 4] as const).flatMap((bits) =>
    [32, 128].flatMap((block) => ([0, 4] as const).map((accuracy) => nBits({ bits, block, accuracy }))),
  ),
];

function nBits(form: NBits): Peer {
  const { bits, block, accuracy } = form;
  return {
    name: `MatMulNBits ${bits} bits/${block}, ${accuracy === 4 ? "i8" : "f32"} rows`,
    model: (layer) => nBitsModel(layer, layer.codes, layer.scale, form),
  };
}

/** Rows go in and results come out in every run, which is little beside the product. */
export async function preparePeer(layer: Layer, { name, model }: Peer): Promise<Contender> {
  const ort = await import("onnxruntime-node");
  const session = await ort.InferenceSession.create(encodeModel(model(layer)), {
    executionProviders: ["webgpu"],
    logSeverityLevel: 3,
  });
  const feeds = { x: new ort.Tensor("float32", layer.x, [layer.m, layer.k]) };
  let y: Float32Array | undefined;
  return {
    name,
    async run() {
      const { y: out } = await session.run(feeds);
      if (!(out?.data instanceof Float32Array)) throw new Error("no result came back");
      y = out.data;
    },
    async result() {
      if (y === undefined) throw new Error("it has not run");
      return y;
    },
    close: () => session.release(),
  };
}

/**
 * The Vulkan drivers that are loaded into this process, Dawn's of both: ONNX Runtime names its adapter nowhere. Linux has
 * the list; elsewhere it is empty.
 */
export async function loadedDrivers(): Promise<readonly string[]> {
  const maps = await readFile("/proc/self/maps", "utf8").catch(() => "");
  const names = maps
    .split("\n")
    .map((line) => /\/(lib(?:vk_|vulkan_|GLX_nvidia|nvidia-vk)[^/]*)$/.exec(line)?.[1]);
  return [...new Set(names.flatMap((name) => name ?? []))].sort();
}
