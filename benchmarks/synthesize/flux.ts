import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { FluxBuilder } from "../../test/support/flux-builder.js";
import { type FluxSize, TORCHSCRIPT } from "../../test/support/flux-style.js";
import type { Name } from "../../test/support/flux-writer.js";
import { ONNX_TYPE } from "../../test/support/onnx-builder.js";
import type { PlacedTensor } from "./weights.js";

/** The file beside the model that holds its weights. */
export const WEIGHTS_NAME = "model.onnx_data";

export interface SyntheticFlux {
  readonly onnx: Uint8Array;
  readonly tensors: readonly PlacedTensor[];
  /** Bytes of the weight file. */
  readonly bytes: number;
}

const DTYPE = "bf16";
/** Exporters align tensors to pages, so that they can be mapped. */
const ALIGNMENT = 4096;

/** Sizes of FLUX.1: 24 heads of 128, as Black Forest Labs released it. */
export function fluxSize(doubles: number, singles: number): FluxSize {
  return {
    doubles,
    singles,
    heads: 24,
    axes: [16, 56, 56],
    mlp: 12_288,
    inChannels: 64,
    outChannels: 64,
    contextDim: 4096,
    pooledDim: 768,
    frequencies: 256,
    theta: 10_000,
    img: 4096,
    txt: 512,
  };
}

/** A FLUX.1 transformer as the TorchScript exporter writes it, with bf16 weights in external data. */
export function synthesizeFlux(model: "dev" | "schnell", size: FluxSize): SyntheticFlux {
  const style = { ...TORCHSCRIPT, weightType: "bf16", guidance: model === "dev" } as const;
  return new ExternalFlux(style, size, 0).synthesize();
}

/** The builder with weights that are only named and placed. */
class ExternalFlux extends FluxBuilder {
  readonly #tensors: PlacedTensor[] = [];
  #end = 0;

  synthesize(): SyntheticFlux {
    return { onnx: this.build(), tensors: this.#tensors, bytes: this.#end };
  }

  override matrix(outputs: number, inputs: number): (transposed: boolean) => Name {
    return (transposed) =>
      this.#external(transposed ? [inputs, outputs] : [outputs, inputs], 1 / Math.sqrt(inputs), 0);
  }

  override weight(dims: readonly number[], scale: number, center = 0): Name {
    return this.#external(dims, scale, center);
  }

  #external(shape: readonly number[], scale: number, center: number): Name {
    const name = `w${this.counter++}`;
    const bytes = byteLength(DTYPE, countOf(shape));
    const offset = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.#end = offset + bytes;
    this.#tensors.push({ name, dtype: DTYPE, shape, scale, center, group: null, offset, bytes });
    const entries = { location: WEIGHTS_NAME, offset: `${offset}`, length: `${bytes}` };
    this.initializers.push({
      name,
      dims: [...shape],
      dataType: ONNX_TYPE[DTYPE],
      dataLocation: 1,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    });
    return this.cast(name, ONNX_TYPE.f32);
  }
}
