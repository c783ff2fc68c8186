import { NetworkTensors } from "../compiler/networks/tensors.js";
import { vaeDecoder } from "../compiler/networks/vae/decoder.js";
import type { VaeSettings } from "../compiler/networks/vae/settings.js";
import { VaeWeights } from "../compiler/networks/vae/weights.js";
import type { ByteReader, Constant } from "../ir/constant/constant.js";
import type { Graph } from "../ir/graph/graph.js";

/** FLUX.1's. */
const SETTINGS: VaeSettings = {
  statistics: null,
  inChannels: 3,
  outChannels: 3,
  latentChannels: 16,
  encoderChannels: [128, 256, 512, 512],
  decoderChannels: [128, 256, 512, 512],
  layers: 2,
  groups: 32,
  attention: true,
  quantConv: false,
  postQuantConv: false,
};

/** The decoder of FLUX.1's autoencoder with made-up weights, which `madeUpWeights` reads. */
export function vaeDecoderGraph(): Graph {
  const tensors = new MadeUpTensors({ constants: new Map(), unread: new Map() }, "made up");
  return vaeDecoder("vae_decoder", SETTINGS, new VaeWeights(tensors, SETTINGS));
}

/** Floats between -0.05 and 0.05 that follow from their place alone. */
export const madeUpWeights: ByteReader = {
  read(_, offset, length) {
    const values = Float32Array.from({ length: length / 4 }, (_, i) => scattered(offset / 4 + i + 1) / 10);
    return new Uint8Array(values.buffer);
  },
};

/** A number between -0.5 and 0.5 for each whole number. */
function scattered(place: number): number {
  let bits = place;
  for (let round = 0; round < 2; round++) bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32 - 0.5;
}

/** Every tensor there can be, one behind the other in the order in which they are asked for. */
class MadeUpTensors extends NetworkTensors {
  #end = 0;

  override nameOf(names: readonly [string, ...string[]]): string {
    return names[0];
  }

  override tensor(_: string, shape: readonly number[]): Constant {
    const length = shape.reduce((bytes, size) => bytes * size, 4);
    const source = { kind: "file", file: "made up", offset: this.#end, length } as const;
    this.#end += length;
    return { dtype: "f32", shape, source };
  }
}
