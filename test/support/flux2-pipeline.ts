import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FluxSize } from "./flux-style.js";
import { buildFlux2, type Flux2Style, STYLES2, TINY2 } from "./flux2-builder.js";
import { model, node, tensor, value } from "./onnx-builder.js";

/** A FLUX.2 whose VAE has two latent channels for each pixel. */
export const PIPELINE_SIZE: FluxSize = { ...TINY2, inChannels: 8, outChannels: 8 };
export const PIPELINE_STYLE: Flux2Style = STYLES2["dynamo opset 20"] as Flux2Style;

const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"];
export const WORDS = [...SPECIAL, "user", "assistant", "red", "blue", "circle", "[UNK]"];
/** Tokens of a prompt and its padding. */
export const TEXT_TOKENS = 16;

/** The ids of a prompt of words as klein's chat template has it, without line breaks, which are between words here. */
export function promptIds(words: readonly string[]): readonly number[] {
  const chat = [
    "<|im_start|>",
    "user",
    ...words,
    "<|im_end|>",
    "<|im_start|>",
    "assistant",
    "<think>",
    "</think>",
  ];
  return chat.map((word) => WORDS.indexOf(word));
}

/** What the stand-in for the chat model makes of token `at`, masked tokens included. */
export function textState(id: number, masked: boolean, channel: number): number {
  return (masked ? -1 : id) * Math.sin(channel + 1) * 0.25;
}

/** A stand-in for a text encoder, whose states `textState` has. */
export function textEncoder(width: number, output = "prompt_embeds"): Uint8Array {
  const scales = Array.from({ length: width }, (_, i) => textState(1, false, i));
  return model(
    {
      inputs: [value("input_ids", "i64", ["b", "s"]), value("attention_mask", "i64", ["b", "s"])],
      outputs: [value(output, "f32", ["b", "s", width])],
      initializers: [
        tensor("scales", "f32", [1, 1, width], scales),
        tensor("axes", "i64", [1], [2]),
        tensor("one", "i64", [], [1]),
      ],
      nodes: [
        // id·mask + mask − 1: the id, or −1 where it is masked.
        node("Mul", ["input_ids", "attention_mask"], ["kept"]),
        node("Sub", ["attention_mask", "one"], ["away"]),
        node("Add", ["kept", "away"], ["seen"]),
        node("Cast", ["seen"], ["numbers"], { to: { i: 1 } }),
        node("Unsqueeze", ["numbers", "axes"], ["columns"]),
        node("Mul", ["columns", "scales"], [output]),
      ],
    },
    { opset: 17 },
  );
}

function vaeDecoder(channels: number): Uint8Array {
  const weights = Array.from({ length: 12 * channels }, (_, i) => Math.sin(i) / channels);
  return model(
    {
      inputs: [value("latent_sample", "f32", ["b", channels, "h", "w"])],
      outputs: [value("sample", "f32", ["b", 3, "ph", "pw"])],
      initializers: [tensor("weights", "f32", [12, channels, 1, 1], weights)],
      nodes: [
        node("Conv", ["latent_sample", "weights"], ["patches"]),
        node("DepthToSpace", ["patches"], ["sample"], { blocksize: { i: 2 } }),
      ],
    },
    { opset: 17 },
  );
}

/** The way back, not to the same numbers: patches of 2x2 pixels, mixed. */
function vaeEncoder(channels: number): Uint8Array {
  const weights = Array.from({ length: 12 * channels }, (_, i) => Math.cos(i) / 4);
  return model(
    {
      inputs: [value("sample", "f32", ["b", 3, "ph", "pw"])],
      outputs: [value("latent_parameters", "f32", ["b", channels, "h", "w"])],
      initializers: [tensor("weights", "f32", [channels, 12, 1, 1], weights)],
      nodes: [
        node("SpaceToDepth", ["sample"], ["patches"], { blocksize: { i: 2 } }),
        node("Conv", ["patches", "weights"], ["latent_parameters"]),
      ],
    },
    { opset: 17 },
  );
}

/** An exported pipeline of FLUX.2 with stand-ins for its text encoder and VAE. */
export function writeFlux2Pipeline(
  folder: string,
  distilled: boolean,
  size: FluxSize = PIPELINE_SIZE,
): string {
  const write = (path: string, content: object | Uint8Array) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    const bytes = content instanceof Uint8Array ? content : JSON.stringify(content);
    writeFileSync(join(folder, path), bytes);
  };
  const added = SPECIAL.map((content, id) => ({
    ...{ id, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }));
  write("model_index.json", { _class_name: "Flux2KleinPipeline", is_distilled: distilled });
  write("scheduler/scheduler_config.json", {
    _class_name: "FlowMatchEulerDiscreteScheduler",
    shift: 3,
    use_dynamic_shifting: true,
  });
  write("tokenizer/tokenizer.json", {
    version: "1.0",
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
      unk_token: "[UNK]",
    },
  });
  write("tokenizer/tokenizer_config.json", { model_max_length: TEXT_TOKENS, pad_token: SPECIAL[0] });
  write("text_encoder/model.onnx", textEncoder(size.contextDim));
  write("vae_decoder/model.onnx", vaeDecoder(size.outChannels));
  write("vae_encoder/model.onnx", vaeEncoder(size.outChannels));
  write("vae_decoder/config.json", {
    ...{ block_out_channels: [4], latent_channels: 2, patch_size: [2, 2], batch_norm_eps: 1e-4 },
  });
  write("transformer/model.onnx", buildFlux2(PIPELINE_STYLE, size, 5));
  return folder;
}
