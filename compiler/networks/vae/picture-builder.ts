import type { Constant } from "../../../ir/constant/constant.js";
import { type Dim, mulDims } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import { GraphBuilder } from "../../graph-builder.js";
import { PATCH, type VaeSettings } from "./settings.js";
import type { VaeWeights } from "./weights.js";

/** Of every norm of a VAE. */
const EPSILON = 1e-6;
export const LATENT_HEIGHT = "latent_height";
export const LATENT_WIDTH = "latent_width";

interface ConvOptions {
  readonly stride?: number;
  readonly pads?: readonly number[];
  readonly upsample?: number;
  readonly residual?: ValueId;
}

/** What encoder and decoder have in common. Pictures are [1, height, width, channels]; values have the names of modules. */
export class PictureBuilder extends GraphBuilder {
  constructor(
    readonly settings: VaeSettings,
    readonly weights: VaeWeights,
  ) {
    super();
  }

  /** [1, H, W, C] from [1, C, H, W]. */
  rows(planes: ValueId): ValueId {
    return this.node(`${planes}.rows`, "transpose", [planes], { perm: [0, 2, 3, 1] });
  }

  planes(id: ValueId, rows: ValueId): ValueId {
    return this.node(id, "transpose", [rows], { perm: [0, 3, 1, 2] });
  }

  /** Three by three pixels; of the same size unless it says otherwise. */
  conv(module: string, x: ValueId, out: number, options: ConvOptions = {}): ValueId {
    const { stride = 1, pads = [1, 1, 1, 1], upsample = 1, residual } = options;
    const { weight, bias } = this.weights.conv(module, [out, this.#channels(x)], 3);
    const operands = [x, ...this.#affine(module, weight, bias)];
    if (residual !== undefined) operands.push(residual);
    return this.node(module, "image-conv", operands, { stride, pads, upsample });
  }

  /** A convolution of single pixels. */
  linear(module: string, x: ValueId, out: number): ValueId {
    const { weight, bias } = this.weights.linear(module, [out, this.#channels(x)]);
    const operands = [x, ...this.#affine(module, weight, bias)];
    return this.node(module, "linear", operands, { role: null, activation: "none", gated: false });
  }

  norm(module: string, x: ValueId, activation: "none" | "silu"): ValueId {
    const { weight, bias } = this.weights.norm(module, this.#channels(x));
    const operands = [x, ...this.#affine(module, weight, bias)];
    const { groups } = this.settings;
    return this.node(module, "group-norm-rows", operands, { groups, epsilon: EPSILON, activation });
  }

  /** x plus two convolutions of it, x through one of single pixels where the channels change. */
  residual(module: string, x: ValueId, out: number): ValueId {
    // Before the norm, which may then be written over x.
    const residual = this.#channels(x) === out ? x : this.linear(`${module}.conv_shortcut`, x, out);
    const first = this.conv(`${module}.conv1`, this.norm(`${module}.norm1`, x, "silu"), out);
    return this.conv(`${module}.conv2`, this.norm(`${module}.norm2`, first, "silu"), out, { residual });
  }

  /** The blocks between the levels and the smallest pictures' ends. */
  middle(module: string, x: ValueId, channels: number): ValueId {
    const first = this.residual(`${module}.resnets.0`, x, channels);
    const attended = this.settings.attention ? this.#attention(`${module}.attentions.0`, first) : first;
    return this.residual(`${module}.resnets.1`, attended, channels);
  }

  /** One head over all pixels, added to x. */
  #attention(module: string, x: ValueId): ValueId {
    const shape = this.shapeOf(x);
    const [, height = 1, width = 1] = shape;
    const channels = this.#channels(x);
    const rows = this.reshape(`${module}.rows`, x, [1, mulDims(height, width), channels]);
    const normal = this.norm(`${module}.group_norm`, rows, "none");
    const heads = ["to_q", "to_k", "to_v"].map((name) => this.linear(`${module}.${name}`, normal, channels));
    const scale = 1 / Math.sqrt(channels);
    const attended = this.node(`${module}.attention`, "attention", heads, { heads: 1, scale });
    const out = this.linear(`${module}.to_out.0`, attended, channels);
    const sum = this.node(`${module}.residual`, "binary", [out, rows], { fn: "add" });
    return this.reshape(module, sum, shape);
  }

  /** Standard deviations and means of the packed latents' channels. */
  statistics(epsilon: number): readonly [deviation: ValueId, mean: ValueId] {
    const { mean, variance } = this.weights.statistics();
    const fill: Constant = { dtype: "f32", shape: [], source: { kind: "fill", value: epsilon } };
    const operands = [this.constant("bn.running_var", variance), this.constant("bn.eps", fill)];
    const sum = this.node("bn.variance", "binary", operands, { fn: "add" });
    const deviation = this.node("bn.deviation", "unary", [sum], { fn: "sqrt" });
    return [deviation, this.constant("bn.running_mean", mean)];
  }

  reshape(id: ValueId, x: ValueId, shape: readonly Dim[]): ValueId {
    const dims: Constant = { dtype: "i64", shape: [shape.length], source: { kind: "dims", dims: shape } };
    return this.node(id, "reshape", [x, this.constant(`${id}.shape`, dims)], { allowZero: false });
  }

  /** [1, 2H, 2W, C] from [1, H, W, 4·C], whose channels are (c, row, column). */
  unpack(id: ValueId, x: ValueId): ValueId {
    const [, height = 1, width = 1] = this.shapeOf(x);
    const channels = this.#channels(x) / PATCH ** 2;
    const parts = this.reshape(`${id}.parts`, x, [1, height, width, channels, PATCH, PATCH]);
    const turned = this.node(`${id}.turned`, "transpose", [parts], { perm: [0, 1, 4, 2, 5, 3] });
    return this.reshape(id, turned, [1, mulDims(height, PATCH), mulDims(width, PATCH), channels]);
  }

  /** [1, height, width, 4·C] from [1, 2·height, 2·width, C]; inverse to `unpack`. */
  pack(id: ValueId, x: ValueId, height: Dim, width: Dim): ValueId {
    const channels = this.#channels(x);
    const parts = this.reshape(`${id}.parts`, x, [1, height, PATCH, width, PATCH, channels]);
    const turned = this.node(`${id}.turned`, "transpose", [parts], { perm: [0, 1, 3, 5, 2, 4] });
    return this.reshape(id, turned, [1, height, width, channels * PATCH ** 2]);
  }

  #affine(module: string, weight: Constant, bias: Constant): readonly [ValueId, ValueId] {
    return [this.constant(`${module}.weight`, weight), this.constant(`${module}.bias`, bias)];
  }

  #channels(x: ValueId): number {
    return Number(this.shapeOf(x).at(-1));
  }
}
