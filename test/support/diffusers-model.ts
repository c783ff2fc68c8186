import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FluxNames } from "../../compiler/models/flux/modules.js";
import { diffusersNames, originalNames } from "../../compiler/models/flux1/modules.js";
import { serialize } from "../../ir/format/safetensors.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { FluxBuilder } from "./flux-builder.js";
import { type FluxSize, type FluxStyle, TORCHSCRIPT } from "./flux-style.js";
import type { Name } from "./flux-writer.js";

export type Tensors = ReadonlyMap<string, Tensor>;

/** A FLUX transformer with random weights, as ONNX and by the names of both implementations. */
export interface FluxModel {
  readonly onnx: Uint8Array;
  readonly diffusers: Tensors;
  readonly original: Tensors;
  /** Weights [out, in] and biases of linears, weights of norms, by role. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** Changes a weight before it is written; `values` are row-major [out, in]. */
export type EditWeight = (role: string, values: Float64Array, shape: readonly number[]) => void;

/** The model of `buildFlux` in TorchScript style, and the same weights as checkpoints. */
export function fluxModel(
  size: FluxSize,
  seed = 1,
  edit?: EditWeight,
  style: Partial<FluxStyle> = {},
): FluxModel {
  const builder = new RecordingBuilder({ ...TORCHSCRIPT, ...style }, size, seed, edit);
  const onnx = builder.build();
  const counts = { doubleBlocks: size.doubles, singleBlocks: size.singles };
  return {
    onnx,
    weights: builder.weights,
    diffusers: named(diffusersNames(counts), builder.weights),
    original: named(originalNames(counts), builder.weights),
  };
}

/** Roles of linears in the order in which the builder makes them; the last modulation's halves are one there. */
function linearRoles(size: FluxSize, style: FluxStyle): string[] {
  const heads = style.qkv === "separate" ? ["q", "k", "v"] : ["qkv"];
  const doubles = Array.from({ length: size.doubles }, (_, i) =>
    [["modulation"], heads, ["out", "mlp.up", "mlp.down"]]
      .flatMap((leaves) => ["img", "txt"].flatMap((stream) => leaves.map((leaf) => `${stream}.${leaf}`)))
      .map((leaf) => `double.${i}.${leaf}`),
  );
  const inner = style.single === "separate" ? ["mlp.up", ...heads] : ["linear1"];
  const singles = Array.from({ length: size.singles }, (_, i) =>
    ["modulation", ...inner, "out"].map((leaf) => `single.${i}.${leaf}`),
  );
  const embedders = ["time_in", "guidance_in", "vector_in"].flatMap((name) => [`${name}.0`, `${name}.1`]);
  const ends = ["x_embedder", "context_embedder", ...embedders];
  return [...ends, ...doubles.flat(), ...singles.flat(), "norm_out", "proj_out"];
}

function normRoles(size: FluxSize): string[] {
  const doubles = Array.from({ length: size.doubles }, (_, i) =>
    ["img.q", "img.k", "txt.q", "txt.k"].map((leaf) => `double.${i}.${leaf}.norm`),
  );
  const singles = Array.from({ length: size.singles }, (_, i) => [
    `single.${i}.q.norm`,
    `single.${i}.k.norm`,
  ]);
  return [...doubles.flat(), ...singles.flat()];
}

/** Keeps the weights that it makes. */
class RecordingBuilder extends FluxBuilder {
  readonly weights = new Map<string, Tensor>();
  readonly #edit: EditWeight | undefined;
  readonly #matrices: string[];
  readonly #biases: string[];
  readonly #norms: string[];
  readonly #hidden: number;

  constructor(style: FluxStyle, size: FluxSize, seed: number, edit: EditWeight | undefined) {
    super(style, size, seed);
    this.#edit = edit;
    this.#hidden = size.heads * size.axes.reduce((a, b) => a + b);
    this.#matrices = linearRoles(size, style);
    this.#biases = linearRoles(size, style).map((role) => `${role}.bias`);
    this.#norms = normRoles(size);
  }

  override matrix(outputs: number, inputs: number): (transposed: boolean) => Name {
    const role = this.#matrices.shift() ?? "";
    const values = Float64Array.from({ length: inputs * outputs }, () => this.random() / Math.sqrt(inputs));
    this.#edit?.(role, values, [outputs, inputs]);
    this.#keep(role, [outputs, inputs], values);
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
    const values = Float64Array.from({ length: countOf(dims) }, () => center + scale * this.random());
    this.#keep((center === 0 ? this.#biases : this.#norms).shift() ?? "", dims, values);
    return this.stored(dims, [...values]);
  }

  /** A weight or bias, and the parts of one that joins several linears. */
  #keep(role: string, shape: readonly number[], values: Float64Array): void {
    this.weights.set(role, { dtype: "f32", shape, data: Float32Array.from(values) });
    const [, prefix = "", leaf = "", bias = ""] = /^(.*?)\b(norm_out|qkv|linear1)(\.bias)?$/.exec(role) ?? [];
    const [rows = 0, ...rest] = shape;
    const hidden = this.#hidden;
    const parts: Readonly<Record<string, Readonly<Record<string, number>>>> = {
      norm_out: { "norm_out.scale": hidden, "norm_out.shift": hidden },
      qkv: { q: hidden, k: hidden, v: hidden },
      linear1: { q: hidden, k: hidden, v: hidden, "mlp.up": rows - 3 * hidden },
    };
    let at = 0;
    for (const [part, count] of Object.entries(parts[leaf] ?? {})) {
      const end = at + count * countOf(rest);
      const data = Float32Array.from(values.subarray(at, end));
      this.weights.set(`${prefix}${part}${bias}`, { dtype: "f32", shape: [count, ...rest], data });
      at = end;
    }
  }
}

/** Weights by role under the names of an implementation. */
export function named({ modules, vectors }: FluxNames, weights: Tensors): Tensors {
  const tensors = new Map<string, Tensor>();
  for (const { name, roles } of modules) {
    tensors.set(`${name}.weight`, stacked(roles.map((role) => weights.get(role))));
    const biases = roles.map((role) => weights.get(`${role}.bias`));
    if (biases.some((bias) => bias !== undefined)) tensors.set(`${name}.bias`, stacked(biases));
  }
  for (const { name, role } of vectors) tensors.set(name, stacked([weights.get(role)]));
  return tensors;
}

function stacked(parts: readonly (Tensor | undefined)[]): Tensor {
  const data = Float32Array.from(parts.flatMap((part) => [...((part?.data ?? []) as Float32Array)]));
  const rows = parts.reduce((sum, part) => sum + (part?.shape[0] ?? 0), 0);
  return { dtype: "f32", shape: [rows, ...(parts[0]?.shape.slice(1) ?? [])], data };
}

/** What `config.json` says of a model of this size. */
export function diffusersConfig(size: FluxSize): Readonly<Record<string, unknown>> {
  return {
    _class_name: "FluxTransformer2DModel",
    _diffusers_version: "0.32.0",
    patch_size: 1,
    in_channels: size.inChannels,
    out_channels: size.outChannels,
    num_layers: size.doubles,
    num_single_layers: size.singles,
    attention_head_dim: size.axes.reduce((a, b) => a + b),
    num_attention_heads: size.heads,
    joint_attention_dim: size.contextDim,
    pooled_projection_dim: size.pooledDim,
    guidance_embeds: true,
    axes_dims_rope: size.axes,
  };
}

/** Writes a transformer folder, in one file or in `shards` parts with an index. */
export function writeDiffusers(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  tensors: Tensors,
  shards = 1,
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  if (shards === 1) {
    writeFileSync(join(folder, "diffusion_pytorch_model.safetensors"), serialize(tensors));
    return;
  }
  const total = String(shards).padStart(5, "0");
  const map: Record<string, string> = {};
  for (let i = 0; i < shards; i++) {
    const file = `diffusion_pytorch_model-${String(i + 1).padStart(5, "0")}-of-${total}.safetensors`;
    const part = new Map([...tensors].filter((_, k) => k % shards === i));
    for (const name of part.keys()) map[name] = file;
    writeFileSync(join(folder, file), serialize(part));
  }
  const index = { metadata: { total_size: 0 }, weight_map: map };
  writeFileSync(join(folder, "diffusion_pytorch_model.safetensors.index.json"), JSON.stringify(index));
}
