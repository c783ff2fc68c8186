import type { Constant } from "../../../ir/constant/constant.js";
import type { NetworkTensors } from "../tensors.js";
import { moduleNames } from "./module-names.js";
import { PATCH, type VaeSettings } from "./settings.js";

export interface Affine {
  readonly weight: Constant;
  readonly bias: Constant;
}

/** The weights of a VAE's modules, in the layouts that operations on rows of channels take. */
export class VaeWeights {
  readonly #tensors: NetworkTensors;
  readonly #settings: VaeSettings;

  constructor(tensors: NetworkTensors, settings: VaeSettings) {
    this.#tensors = tensors;
    this.#settings = settings;
  }

  /** Filters [out, size, size, in], from the file's [out, in, size, size], and biases. */
  conv(module: string, [out, inputs]: readonly [number, number], size: number): Affine {
    const name = this.#name(module);
    const planes = this.#tensors.tensor(`${name}.weight`, [out, inputs, size, size]);
    return { weight: channelsLast(planes), bias: this.#bias(name, out) };
  }

  /** A matrix [out, in], which files may have as the filters of a convolution of single pixels, and biases. */
  linear(module: string, [out, inputs]: readonly [number, number]): Affine {
    const name = this.#name(module);
    const matrix = [out, inputs];
    const pixels = [out, inputs, 1, 1];
    // The original files have a convolution for every linear, Diffusers' outside of the attention.
    const isConv = !name.includes("attentions");
    const of = this.#tensors.tensor(`${name}.weight`, isConv ? pixels : matrix);
    return { weight: isConv ? reshaped(of, matrix) : of, bias: this.#bias(name, out) };
  }

  norm(module: string, channels: number): Affine {
    const name = this.#name(module);
    return { weight: this.#tensors.tensor(`${name}.weight`, [channels]), bias: this.#bias(name, channels) };
  }

  /** Mean and variance of the packed latents' channels. */
  statistics(): { readonly mean: Constant; readonly variance: Constant } {
    const channels = PATCH * PATCH * this.#settings.latentChannels;
    return {
      mean: this.#tensors.tensor("bn.running_mean", [channels]),
      variance: this.#tensors.tensor("bn.running_var", [channels]),
    };
  }

  #bias(name: string, channels: number): Constant {
    return this.#tensors.tensor(`${name}.bias`, [channels]);
  }

  #name(module: string): string {
    const [first, ...others] = moduleNames(module, this.#settings.encoderChannels.length);
    const weights = [`${first}.weight`, ...others.map((name) => `${name}.weight`)] as const;
    return this.#tensors.nameOf(weights as readonly [string, ...string[]]).slice(0, -".weight".length);
  }
}

/** [out, height, width, in] from [out, in, height, width]. */
function channelsLast(of: Constant): Constant {
  const [out = 1, inputs = 1, height = 1, width = 1] = of.shape;
  const planes = reshaped(of, [out, inputs, height * width, 1]);
  const { dtype } = of;
  const rows: Constant = {
    dtype,
    shape: [out, height * width, inputs, 1],
    source: { kind: "swap", of: planes },
  };
  return reshaped(rows, [out, height, width, inputs]);
}

function reshaped(of: Constant, shape: readonly number[]): Constant {
  return { dtype: of.dtype, shape, source: { kind: "reshape", of } };
}
