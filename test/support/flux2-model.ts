import { diffusersNames, originalNames } from "../../compiler/models/flux2/modules.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { named, type Tensors } from "./diffusers-model.js";
import type { FluxSize } from "./flux-style.js";
import type { Name } from "./flux-writer.js";
import { Flux2Builder, type Flux2Style, STYLES2 } from "./flux2-builder.js";

/** A FLUX.2 with random weights, as ONNX and by the names of both implementations. */
export interface Flux2Model {
  readonly onnx: Uint8Array;
  readonly diffusers: Tensors;
  readonly original: Tensors;
}

export function flux2Model(size: FluxSize, options: { guidance?: boolean; seed?: number } = {}): Flux2Model {
  const { guidance = false, seed = 1 } = options;
  const style: Flux2Style = { ...(STYLES2.torchscript as Flux2Style), single: "linear1-parts", guidance };
  const builder = new RecordingBuilder(style, size, seed);
  const onnx = builder.build();
  const counts = { doubleBlocks: size.doubles, singleBlocks: size.singles };
  // The builder's last modulation has its scale first, as Diffusers has it.
  const last = builder.weights.get("norm_out") as Tensor;
  const half = (i: number): Tensor => {
    const length = last.data.length / 2;
    const data = (last.data as Float32Array).slice(i * length, (i + 1) * length);
    return { dtype: "f32", shape: [builder.hidden, builder.hidden], data };
  };
  const weights = builder.weights.set("norm_out.scale", half(0)).set("norm_out.shift", half(1));
  const without = ({ modules, vectors }: ReturnType<typeof diffusersNames>) =>
    named(
      { vectors, modules: modules.filter(({ roles }) => guidance || !roles[0]?.startsWith("guidance_in.")) },
      weights,
    );
  return { onnx, diffusers: without(diffusersNames(counts)), original: without(originalNames(counts)) };
}

/** Keeps the weights that it makes, by the roles of linears and norms in the order in which they are made. */
class RecordingBuilder extends Flux2Builder {
  readonly weights = new Map<string, Tensor>();
  readonly #matrices: string[];
  readonly #norms: string[];

  constructor(style: Flux2Style, size: FluxSize, seed: number) {
    super(style, size, seed);
    const each = (count: number, of: (i: number) => readonly string[]) =>
      Array.from({ length: count }, (_, i) => of(i)).flat();
    const streams = (leaves: readonly string[]) =>
      ["img", "txt"].flatMap((stream) => leaves.map((leaf) => `${stream}.${leaf}`));
    const doubles = each(size.doubles, (i) => [
      ...(i === 0 ? ["modulation.double.img", "modulation.double.txt"] : []),
      ...[...streams(["q", "k", "v"]), ...streams(["out", "mlp.up", "mlp.down"])].map(
        (leaf) => `double.${i}.${leaf}`,
      ),
    ]);
    const singles = each(size.singles, (i) => [
      ...(i === 0 ? ["modulation.single"] : []),
      `single.${i}.linear1`,
      `single.${i}.out`,
    ]);
    const embedders = ["time_in", ...(style.guidance ? ["guidance_in"] : [])];
    this.#matrices = [
      ...["x_embedder", "context_embedder"],
      ...embedders.flatMap((name) => [`${name}.0`, `${name}.1`]),
      ...doubles,
      ...singles,
      ...["norm_out", "proj_out"],
    ];
    this.#norms = [
      ...each(size.doubles, (i) => streams(["q", "k"]).map((leaf) => `double.${i}.${leaf}.norm`)),
      ...each(size.singles, (i) => ["q", "k"].map((leaf) => `single.${i}.${leaf}.norm`)),
    ];
  }

  override matrix(outputs: number, inputs: number): (transposed: boolean) => Name {
    const values = Float32Array.from({ length: inputs * outputs }, () => this.random() / Math.sqrt(inputs));
    this.weights.set(this.#matrices.shift() ?? "", { dtype: "f32", shape: [outputs, inputs], data: values });
    return (transposed) => {
      if (!transposed) return this.stored([outputs, inputs], [...values]);
      const at = (i: number) => values[(i % outputs) * inputs + Math.floor(i / outputs)] ?? 0;
      return this.stored(
        [inputs, outputs],
        Array.from(values, (_, i) => at(i)),
      );
    };
  }

  override weight(dims: readonly number[], scale: number, center = 0): Name {
    const values = Float32Array.from({ length: countOf(dims) }, () => center + scale * this.random());
    this.weights.set(this.#norms.shift() ?? "", { dtype: "f32", shape: dims, data: values });
    return this.stored(dims, [...values]);
  }
}

/** What `config.json` says of a model of this size. */
export function flux2Config(size: FluxSize, guidance = false): Readonly<Record<string, unknown>> {
  return {
    _class_name: "Flux2Transformer2DModel",
    _diffusers_version: "0.42.1",
    patch_size: 1,
    in_channels: size.inChannels,
    out_channels: size.outChannels,
    num_layers: size.doubles,
    num_single_layers: size.singles,
    attention_head_dim: size.axes.reduce((a, b) => a + b),
    num_attention_heads: size.heads,
    joint_attention_dim: size.contextDim,
    timestep_guidance_channels: size.frequencies,
    mlp_ratio: 1.5,
    axes_dims_rope: size.axes,
    rope_theta: size.theta,
    eps: 1e-6,
    guidance_embeds: guidance,
  };
}
