import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeHeader } from "../../ir/format/safetensors.js";
import { placedFrom, type RandomTensor, writeSyntheticWeights, writeWhole } from "./weights.js";

/** The file that holds its weights. */
export const TEXT_WEIGHTS_NAME = "model.safetensors";

/** A text encoder: what its `config.json` says, and its tensors. */
export interface TextModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly RandomTensor[];
}

export type TextModelName = "clip-l" | "t5-xxl" | "qwen3-4b";
export const TEXT_MODELS: Readonly<Record<TextModelName, () => TextModel>> = {
  "clip-l": clipL,
  "t5-xxl": t5Xxl,
  "qwen3-4b": qwen3,
};

const matrix = (name: string, rows: number, columns: number): RandomTensor => ({
  ...{ name: `${name}.weight`, dtype: "bf16", shape: [rows, columns], center: 0, group: null },
  scale: 1 / Math.sqrt(columns),
});
const table = (name: string, rows: number, columns: number): RandomTensor => ({
  ...matrix(name, rows, columns),
  scale: 0.02,
});
const vector = (name: string, width: number, center: number): RandomTensor => ({
  ...{ name, dtype: "bf16", shape: [width], scale: 0.02, center, group: null },
});
const norm = (name: string, width: number) => vector(`${name}.weight`, width, 1);
const bias = (name: string, width: number) => vector(`${name}.bias`, width, 0);

/** The text model of OpenAI's CLIP ViT-L/14, FLUX.1's first encoder. */
function clipL(): TextModel {
  const [vocabulary, positions, width, mlp, layers] = [49_408, 77, 768, 3072, 12];
  const linear = (name: string, rows: number, columns: number) => [
    matrix(name, rows, columns),
    bias(name, rows),
  ];
  const affine = (name: string) => [norm(name, width), bias(name, width)];
  const config = {
    ...{ model_type: "clip_text_model", vocab_size: vocabulary, max_position_embeddings: positions },
    ...{ hidden_size: width, intermediate_size: mlp, num_hidden_layers: layers, num_attention_heads: 12 },
    ...{ hidden_act: "quick_gelu", layer_norm_eps: 1e-5, eos_token_id: 2 },
  };
  const tensors = [
    table("text_model.embeddings.token_embedding", vocabulary, width),
    table("text_model.embeddings.position_embedding", positions, width),
    ...eachLayer(layers, "text_model.encoder.layers", (layer) => [
      ...["q", "k", "v", "out"].flatMap((part) => linear(`${layer}.self_attn.${part}_proj`, width, width)),
      ...affine(`${layer}.layer_norm1`),
      ...linear(`${layer}.mlp.fc1`, mlp, width),
      ...linear(`${layer}.mlp.fc2`, width, mlp),
      ...affine(`${layer}.layer_norm2`),
    ]),
    ...affine("text_model.final_layer_norm"),
  ];
  return { config, tensors };
}

/** The encoder of T5 v1.1 XXL, FLUX.1's second one. */
function t5Xxl(): TextModel {
  const [vocabulary, width, heads, headDim, mlp, layers, buckets] = [32_128, 4096, 64, 64, 10_240, 24, 32];
  const config = {
    ...{ model_type: "t5", vocab_size: vocabulary, d_model: width, d_kv: headDim, d_ff: mlp },
    ...{ num_layers: layers, num_heads: heads, feed_forward_proj: "gated-gelu", layer_norm_epsilon: 1e-6 },
    ...{ relative_attention_num_buckets: buckets, relative_attention_max_distance: 128 },
  };
  const inner = heads * headDim;
  const tensors = [
    table("shared", vocabulary, width),
    ...eachLayer(layers, "encoder.block", (block, i) => {
      const attention = `${block}.layer.0.SelfAttention`;
      const dense = `${block}.layer.1.DenseReluDense`;
      return [
        ...["q", "k", "v"].map((part) => matrix(`${attention}.${part}`, inner, width)),
        matrix(`${attention}.o`, width, inner),
        ...(i === 0 ? [table(`${attention}.relative_attention_bias`, buckets, heads)] : []),
        norm(`${block}.layer.0.layer_norm`, width),
        matrix(`${dense}.wi_0`, mlp, width),
        matrix(`${dense}.wi_1`, mlp, width),
        matrix(`${dense}.wo`, width, mlp),
        norm(`${block}.layer.1.layer_norm`, width),
      ];
    }),
    norm("encoder.final_layer_norm", width),
  ];
  return { config, tensors };
}

/** Qwen3 4B, the text encoder of FLUX.2 klein 4B. */
function qwen3(): TextModel {
  const [vocabulary, width, heads, keyValueHeads, headDim, mlp, layers] = [
    151_936, 2560, 32, 8, 128, 9728, 36,
  ];
  const config = {
    ...{ model_type: "qwen3", vocab_size: vocabulary, hidden_size: width, intermediate_size: mlp },
    ...{ num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: keyValueHeads },
    ...{
      head_dim: headDim,
      hidden_act: "silu",
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      tie_word_embeddings: true,
    },
    max_position_embeddings: 40_960,
  };
  const tensors = [
    table("model.embed_tokens", vocabulary, width),
    ...eachLayer(layers, "model.layers", (layer) => {
      const own = `${layer}.self_attn`;
      return [
        norm(`${layer}.input_layernorm`, width),
        matrix(`${own}.q_proj`, heads * headDim, width),
        matrix(`${own}.k_proj`, keyValueHeads * headDim, width),
        matrix(`${own}.v_proj`, keyValueHeads * headDim, width),
        matrix(`${own}.o_proj`, width, heads * headDim),
        norm(`${own}.q_norm`, headDim),
        norm(`${own}.k_norm`, headDim),
        norm(`${layer}.post_attention_layernorm`, width),
        matrix(`${layer}.mlp.gate_proj`, mlp, width),
        matrix(`${layer}.mlp.up_proj`, mlp, width),
        matrix(`${layer}.mlp.down_proj`, width, mlp),
      ];
    }),
    norm("model.norm", width),
  ];
  return { config, tensors };
}

function eachLayer(
  count: number,
  folder: string,
  tensors: (layer: string, i: number) => readonly RandomTensor[],
): readonly RandomTensor[] {
  return Array.from({ length: count }, (_, i) => tensors(`${folder}.${i}`, i)).flat();
}

/** Writes a text encoder's folder as Transformers does. Returns the bytes of its weights. */
export async function writeTextFolder(
  folder: string,
  { config, tensors }: TextModel,
  {
    seed,
    sparse,
    onProgress,
  }: { readonly seed: number; readonly sparse: boolean; readonly onProgress: (bytes: number) => void },
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, TEXT_WEIGHTS_NAME);
  await writeWhole(path, async (file) => {
    const header = encodeHeader(tensors);
    await file.write(header, 0, header.length, 0);
    const { placed, end } = placedFrom(header.length, tensors);
    if (sparse) await file.truncate(end);
    else await writeSyntheticWeights(file, placed, seed, onProgress);
  });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  return (await stat(path)).size;
}
