/** What the text encoders of a pipeline make of a prompt. */
import { TritcError } from "../../ir/errors.js";
import type { PipelineForm } from "../../ir/models/index.js";
import { type HostTensor, modelError, type Network, pickOutput } from "./network.js";
import type { PromptTokenizer } from "./tokenizer.js";

/** What the transformer gets to know of a prompt. */
export interface EncodedPrompt {
  /** [pooledWidth] CLIP's pooled output; empty where the model reads none. */
  readonly pooled: Float32Array;
  readonly pooledWidth: number;
  /** [contextTokens, contextWidth] T5's last hidden state, or states of a chat model; padding included. */
  readonly context: Float32Array;
  readonly contextTokens: number;
  readonly contextWidth: number;
  /** Where the model masks padding: the tokens of the prompt and the first one of padding. */
  readonly shownTokens?: number | undefined;
}

/** Tokens that the text encoder gets whose states the model reads: its tokenizer's own number where both are absent. */
export interface TextLength {
  /** No other number will do. */
  readonly exactly?: number | undefined;
  /** What is taken unless the encoder's graph fixes another. */
  readonly preferably?: number | undefined;
}

/** A pipeline's text encoders; `TEXT_NETWORKS` has the names of their networks. */
export interface TextEncoders {
  /**
   * Opens the tokenizers.
   *
   * @param tokenizer opens the one of a folder, for a model that takes so many tokens
   */
  open(
    tokenizer: (folder: string, limit: number) => Promise<PromptTokenizer>,
    network: (name: TextNetwork) => Network,
  ): Promise<Encode>;
}

export type TextNetwork = "text_encoder" | "text_encoder_2";
export type Encode = (prompt: string, textLength: TextLength) => Promise<EncodedPrompt>;

const CLIP_LENGTH = 77;
const SUMMARY = ["pooler_output", "pooled_output"];
/** CLIP's summary behind the projection that it is compared with pictures by. */
const PROJECTED = "text_embeds";
const TEXT_LENGTH = 512;

/** CLIP's summary of a prompt, and T5's states. */
const statesAndSummary: TextEncoders = {
  async open(openTokenizer, network) {
    const clipTokenizer = await openTokenizer("tokenizer", CLIP_LENGTH);
    const t5Tokenizer = await openTokenizer("tokenizer_2", TEXT_LENGTH);
    return async (prompt, textLength) => {
      const [clip, t5] = [network("text_encoder"), network("text_encoder_2")];
      const vectors = await encodeText(clip, clipTokenizer, prompt);
      refuseProjected(clip.place, vectors);
      const pooled = pickOutput(clip.place, vectors, SUMMARY, 2);
      const states = await encodeText(t5, t5Tokenizer, prompt, textLength);
      return {
        pooled: pooled.data,
        pooledWidth: pooled.data.length,
        ...contextOf(pickOutput(t5.place, states, ["last_hidden_state"], 3)),
      };
    };
  },
};

/** Projected, a summary is of the same size in CLIP-L, and no picture would look broken. */
function refuseProjected(place: string, vectors: ReadonlyMap<string, HostTensor>): void {
  if (!vectors.has(PROJECTED) || SUMMARY.some((name) => vectors.has(name))) return;
  throw modelError(
    place,
    "the model gives its summary projected alone, and FLUX.1 reads it as it is",
    "pooler_output, which CLIPTextModel has",
    `${PROJECTED}, as of CLIPTextModelWithProjection`,
  );
}

/** Some states of a chat model, side by side, of the prompt as what a user says and what the answer begins with. */
const chatStates: TextEncoders = {
  async open(openTokenizer, network) {
    const tokenizer = await openTokenizer("tokenizer", TEXT_LENGTH);
    return async (prompt, textLength) => {
      const encoder = network("text_encoder");
      const states = await encodeText(encoder, tokenizer, asked(prompt), textLength, "masked");
      const context = contextOf(pickOutput(encoder.place, states, ["prompt_embeds"], 3));
      return { pooled: new Float32Array(), pooledWidth: 0, ...context };
    };
  },
};

/** T5's states of a prompt, which sees no padding, and how many of them Chroma shows. */
const maskedStates: TextEncoders = {
  async open(openTokenizer, network) {
    const tokenizer = await openTokenizer("tokenizer", TEXT_LENGTH);
    return async (prompt, textLength) => {
      const encoder = network("text_encoder");
      const states = await encodeText(encoder, tokenizer, prompt, textLength, "masked");
      const context = contextOf(pickOutput(encoder.place, states, ["last_hidden_state"], 3));
      const { contextTokens } = context;
      const shownTokens = Math.min(contextTokens, tokenizer.count(prompt, contextTokens) + 1);
      return { pooled: new Float32Array(), pooledWidth: 0, ...context, shownTokens };
    };
  },
};

/** Qwen3's chat template for one message, without thinking. */
function asked(prompt: string): string {
  return `<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n`;
}

export const TEXT_ENCODERS: Readonly<Record<PipelineForm["text"], TextEncoders>> = {
  "states-and-summary": statesAndSummary,
  "chat-states": chatStates,
  "masked-states": maskedStates,
};

function contextOf({ data, shape }: HostTensor) {
  return { context: data, contextTokens: shape[1] ?? 0, contextWidth: shape[2] ?? 0 };
}

/** Runs a text encoder on one prompt. A length that its graph fixes wins over the tokenizer's. */
async function encodeText(
  { place, open }: Network,
  tokenizer: PromptTokenizer,
  prompt: string,
  { exactly, preferably }: TextLength = {},
  padding: "read" | "masked" = "read",
): Promise<ReadonlyMap<string, HostTensor>> {
  const encoder = await open();
  const known = encoder.inputs.find((input) => input.name === "input_ids")?.shape[1];
  const fixed = typeof known === "number" && known > 0 ? known : undefined;
  if (fixed !== undefined && exactly !== undefined && fixed !== exactly) {
    throw new TritcError({
      code: "TRITC_E_TEXT_LENGTH",
      message: "the text encoder was exported for another text length",
      place,
      expected: `${fixed} tokens`,
      found: `${exactly} tokens`,
      remedy: "export the text encoder with dynamic axes, or for this length; or leave --text-length out",
    });
  }
  const length = exactly ?? fixed ?? preferably ?? tokenizer.maxLength;
  const shape = [1, length];
  return encoder.run({
    input_ids: { data: Float32Array.from(tokenizer.encode(prompt, length)), shape },
    // FLUX.1 passes no mask, so its encoders attend to the padding too.
    attention_mask: {
      data: new Float32Array(length).fill(
        1,
        0,
        padding === "read" ? length : tokenizer.count(prompt, length),
      ),
      shape,
    },
  });
}
