import { expect, it } from "vitest";
import { diffusersNames, originalNames } from "../../compiler/models/flux1/modules.js";
import { linearShape } from "../../compiler/models/flux1/sizes.js";

const COUNTS = { doubleBlocks: 19, singleBlocks: 38 };
const DEV = {
  ...COUNTS,
  heads: 24,
  headDim: 128,
  mlpWidth: 12288,
  inChannels: 64,
  outChannels: 64,
  contextDim: 4096,
  pooledDim: 768,
  timeWidth: 0,
  timeLayers: 0,
  frequencies: 256,
  guidance: true,
  ropeAxes: [16, 56, 56],
  ropeTheta: 10000,
  epsilon: 1e-6,
};

/** Shapes of FLUX.1-dev's tensors, by both names, as its files have them. */
const KNOWN: readonly (readonly [string, string, readonly number[]])[] = [
  ["x_embedder", "img_in", [3072, 64]],
  ["context_embedder", "txt_in", [3072, 4096]],
  ["time_text_embed.timestep_embedder.linear_1", "time_in.in_layer", [3072, 256]],
  ["time_text_embed.timestep_embedder.linear_2", "time_in.out_layer", [3072, 3072]],
  ["time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer", [3072, 256]],
  ["time_text_embed.text_embedder.linear_1", "vector_in.in_layer", [3072, 768]],
  ["norm_out.linear", "final_layer.adaLN_modulation.1", [6144, 3072]],
  ["proj_out", "final_layer.linear", [64, 3072]],
  ["transformer_blocks.18.norm1.linear", "double_blocks.18.img_mod.lin", [18432, 3072]],
  ["transformer_blocks.0.norm1_context.linear", "double_blocks.0.txt_mod.lin", [18432, 3072]],
  ["transformer_blocks.3.attn.to_out.0", "double_blocks.3.img_attn.proj", [3072, 3072]],
  ["transformer_blocks.3.attn.to_add_out", "double_blocks.3.txt_attn.proj", [3072, 3072]],
  ["transformer_blocks.3.ff.net.0.proj", "double_blocks.3.img_mlp.0", [12288, 3072]],
  ["transformer_blocks.3.ff.net.2", "double_blocks.3.img_mlp.2", [3072, 12288]],
  ["transformer_blocks.3.ff_context.net.0.proj", "double_blocks.3.txt_mlp.0", [12288, 3072]],
  ["transformer_blocks.3.ff_context.net.2", "double_blocks.3.txt_mlp.2", [3072, 12288]],
  ["single_transformer_blocks.37.norm.linear", "single_blocks.37.modulation.lin", [9216, 3072]],
  ["single_transformer_blocks.37.proj_out", "single_blocks.37.linear2", [3072, 15360]],
];

const modules = [diffusersNames(COUNTS), originalNames(COUNTS)].map(
  ({ modules }) => new Map(modules.map(({ name, roles }) => [name, roles])),
);

function shapeOf(roles: readonly string[] = []): readonly number[] {
  const shapes = roles.map((role) => linearShape(DEV, role));
  return [shapes.reduce((sum, [rows]) => sum + rows, 0), shapes[0]?.[1] ?? 0];
}

it.each(KNOWN)("%s is %s", (diffusers, original, shape) => {
  const [a, b] = [modules[0]?.get(diffusers), modules[1]?.get(original)];
  expect(shapeOf(a)).toEqual(shape);
  expect([...(b ?? [])].sort()).toEqual([...(a ?? [])].sort());
});

it("the halves of the last modulation are the other way round in the original", () => {
  expect(modules[0]?.get("norm_out.linear")).toEqual(["norm_out.scale", "norm_out.shift"]);
  expect(modules[1]?.get("final_layer.adaLN_modulation.1")).toEqual(["norm_out.shift", "norm_out.scale"]);
});

it("the original joins queries, keys, values and, in single blocks, the MLP", () => {
  const joined = (name: string, parts: readonly string[], into: string) =>
    expect(modules[1]?.get(into)).toEqual(parts.map((part) => modules[0]?.get(`${name}.${part}`)?.[0]));
  joined("transformer_blocks.5.attn", ["to_q", "to_k", "to_v"], "double_blocks.5.img_attn.qkv");
  joined(
    "transformer_blocks.5.attn",
    ["add_q_proj", "add_k_proj", "add_v_proj"],
    "double_blocks.5.txt_attn.qkv",
  );
  joined(
    "single_transformer_blocks.5",
    ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"],
    "single_blocks.5.linear1",
  );
  expect(shapeOf(modules[1]?.get("single_blocks.5.linear1"))).toEqual([21504, 3072]);
});

it("has the parameters of FLUX.1-dev", () => {
  for (const names of [diffusersNames(COUNTS), originalNames(COUNTS)]) {
    const linears = names.modules.map(({ roles }) => {
      const [rows = 0, columns = 0] = shapeOf(roles);
      return rows * columns + rows;
    });
    const total = linears.reduce((a, b) => a + b) + names.vectors.length * DEV.headDim;
    expect(total).toBe(11_901_408_320);
  }
});
