import { basename } from "node:path";
import type { Constant } from "../../../ir/constant/constant.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { floatsConstant } from "../../rewrite/values.js";
import type { NetworkConfig } from "../config.js";
import { networkError } from "../errors.js";
import { NetworkTensors } from "../tensors.js";
import { type Activation, activationOf } from "./activations.js";
import { ATTENTION_MASK, INPUT_IDS, MOST_TOKENS, type TextNetworkKind, TOKENS } from "./kind.js";
import { rotationBase } from "./rotation.js";
import { TextBuilder } from "./text-builder.js";

interface Qwen3Sizes {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  readonly layers: number;
  readonly mlpWidth: number;
  readonly epsilon: number;
  readonly activation: Activation;
  readonly biases: boolean;
  readonly theta: number;
  /** The hidden states that the transformer reads, by the number of layers before them, ascending. */
  readonly chosen: readonly number[];
}

const MOST_LAYERS = 256;
const OUTPUT = "prompt_embeds";

/** What `pipeline_flux2_klein.py` has as `text_encoder_out_layers`. */
const KLEIN_LAYERS = [9, 18, 27];

/**
 * Qwen3 as text encoder: `input_ids`, `attention_mask` → `prompt_embeds` [1, tokens, n·width], the hidden states that the
 * pipeline's class chooses, side by side. Layers above the last of them are not built.
 */
export const qwen3: TextNetworkKind = {
  title: "Qwen3",
  modelTypes: ["qwen3"],
  open(folder, config, className) {
    if (!/^Flux2Klein/.test(className)) {
      throw networkError({
        place: config.file,
        message: "nothing says which hidden states the pipeline reads of this text encoder",
        expected: "a pipeline of FLUX.2 klein, such as Flux2KleinPipeline",
        found: className === "" ? "a pipeline without a class" : className,
      });
    }
    const sizes = sizesOf(config, KLEIN_LAYERS);
    return {
      build: () => qwen3Graph(basename(folder), sizes, NetworkTensors.read(folder, "model")),
      sizes: ({ textTokens }) => ({ [TOKENS]: textTokens }),
    };
  },
};

function sizesOf(config: NetworkConfig, chosen: readonly number[]): Qwen3Sizes {
  const heads = config.count("num_attention_heads", 32);
  const keyValueHeads = config.count("num_key_value_heads", heads);
  if (heads % keyValueHeads !== 0) throw config.refuse("num_key_value_heads", `a divisor of ${heads} heads`);
  const headDim = config.count("head_dim", 128);
  if (headDim % 2 !== 0) throw config.refuse("head_dim", "an even number");
  const layers = config.count("num_hidden_layers", 32, MOST_LAYERS);
  const last = Math.max(...chosen);
  if (last > layers) throw config.refuse("num_hidden_layers", `at least ${last}, which the pipeline reads`);
  requireFullAttention(config, last);
  return {
    vocabulary: config.count("vocab_size", 151936),
    width: config.count("hidden_size", 4096),
    heads,
    keyValueHeads,
    headDim,
    layers,
    mlpWidth: config.count("intermediate_size", 22016),
    epsilon: config.positive("rms_norm_eps", 1e-6),
    activation: activationOf(config, "hidden_act", "silu"),
    biases: config.flag("attention_bias", false),
    theta: rotationBase(config),
    chosen,
  };
}

/** Refuses windows of attention in the layers that are built. Throws TRITC_E_NETWORK. */
function requireFullAttention(config: NetworkConfig, layers: number): void {
  const types = config.value("layer_types");
  if (Array.isArray(types)) {
    const other = types.slice(0, layers).find((type) => type !== "full_attention");
    if (other !== undefined)
      throw config.unbuilt("layer_types", "full_attention in every layer that is read");
  } else if (config.flag("use_sliding_window", false) && config.has("sliding_window")) {
    throw config.unbuilt("use_sliding_window", "false");
  }
}

function qwen3Graph(name: string, sizes: Qwen3Sizes, tensors: NetworkTensors): Graph {
  const prefix = tensors.prefixOf("embed_tokens.weight", ["model.", ""]);
  const graph = new Qwen3Builder(tensors, prefix, sizes).build(name);
  const last = Math.max(...sizes.chosen);
  tensors.requireAllTaken((tensor) => {
    const layer = tensor.startsWith(`${prefix}layers.`)
      ? tensor.slice(prefix.length).split(".")[1]
      : undefined;
    return layer !== undefined && Number(layer) < last;
  });
  return graph;
}

class Qwen3Builder extends TextBuilder {
  /** Cosines and sines of the positions. */
  #table: readonly ValueId[] = [];

  constructor(
    tensors: NetworkTensors,
    prefix: string,
    readonly sizes: Qwen3Sizes,
  ) {
    super(tensors, prefix);
  }

  build(name: string): Graph {
    const { vocabulary, width, layers, epsilon, chosen } = this.sizes;
    const ids = this.input(INPUT_IDS, [1, TOKENS], "i64");
    const mask = this.input(ATTENTION_MASK, [1, TOKENS], "i64");
    this.#rotate();
    const table = this.weight("embed_tokens.weight", [vocabulary, width]);
    let x = this.node("embed_tokens", "gather", [table, ids], { axis: 0 });
    const states: ValueId[] = [];
    for (let i = 0; i < Math.max(...chosen); i++) {
      x = this.#layer(`layers.${i}`, x, mask);
      // The last of all hidden states is the normalized one.
      if (chosen.includes(i + 1)) states.push(i + 1 === layers ? this.rmsNorm("norm", x, width, epsilon) : x);
    }
    this.node(OUTPUT, "concat", states, { axis: 2 });
    return this.graph(name, [OUTPUT]);
  }

  #rotate(): void {
    const { headDim, theta } = this.sizes;
    const all = Float32Array.from({ length: MOST_TOKENS }, (_, i) => i);
    const known = this.constant("positions", floatsConstant(all, [MOST_TOKENS, 1]));
    const ids = this.node("position_ids", "part", [known], { axis: 0, start: 0, length: TOKENS });
    this.#table = ["rotary_emb.cos", "rotary_emb.sin"];
    this.emit("rope-table", [ids], this.#table, { axesDims: [headDim], theta, frequencies: null });
  }

  #layer(prefix: string, x: ValueId, mask: ValueId): ValueId {
    const { width, heads, keyValueHeads, headDim, mlpWidth, epsilon, activation, biases } = this.sizes;
    const own = `${prefix}.self_attn`;
    const normalized = this.rmsNorm(`${prefix}.input_layernorm`, x, width, epsilon);
    const q = this.#rotated(`${own}.q`, normalized, heads);
    const k = this.#rotated(`${own}.k`, normalized, keyValueHeads);
    const v = this.linear(`${own}.v_proj`, normalized, [keyValueHeads * headDim, width], biases);
    const scale = 1 / Math.sqrt(headDim);
    const attrs = { heads, scale, causal: true, ...(keyValueHeads === heads ? {} : { keyValueHeads }) };
    const attended = this.node(own, "attention", [q, k, v, null, mask], attrs);
    const out = this.linear(`${own}.o_proj`, attended, [width, heads * headDim], biases);
    const middle = this.add(`${prefix}.middle`, x, out);
    const second = this.rmsNorm(`${prefix}.post_attention_layernorm`, middle, width, epsilon);
    const up = (part: string) => this.linear(`${prefix}.mlp.${part}`, second, [mlpWidth, width], false);
    const gate = this.activated(`${prefix}.mlp.act`, up("gate_proj"), activation);
    const hidden = this.multiply(`${prefix}.mlp.gated`, gate, up("up_proj"));
    return this.add(
      `${prefix}.out`,
      middle,
      this.linear(`${prefix}.mlp.down_proj`, hidden, [width, mlpWidth], false),
    );
  }

  /**
   * Queries or keys, normalized by head and rotated. Qwen3 rotates channel j of a head with channel j + D/2. Here they are
   * neighbours: rows of the weight, and of what belongs to them, change places, and scores stay the same.
   */
  #rotated(part: string, x: ValueId, heads: number): ValueId {
    const { width, headDim, epsilon, biases } = this.sizes;
    const paired = (name: string, shape: readonly number[]) =>
      this.constant(name, pairs(this.tensors.tensor(this.prefix + name, shape), headDim));
    const rows = heads * headDim;
    const inputs = [x, paired(`${part}_proj.weight`, [rows, width])];
    if (biases) inputs.push(paired(`${part}_proj.bias`, [rows]));
    const projected = this.linearOf(`${part}_proj`, inputs);
    const scale = paired(`${part}_norm.weight`, [headDim]);
    const attrs = { axis: 2, epsilon, group: headDim };
    const normalized = this.node(`${part}_norm`, "rms-norm", [projected, scale], attrs);
    return this.node(`${part}_rope`, "rope", [normalized, ...this.#table], { headDim });
  }
}

/** Rows of a weight or vector in groups of `group`, with those of a group's first and second half in turns. */
function pairs(of: Constant, group: number): Constant {
  const { dtype, shape } = of;
  const [rows = 1, width = 1] = shape;
  const groups = rows / group;
  const halves: Constant = { dtype, shape: [groups, 2, group / 2, width], source: { kind: "reshape", of } };
  const turns: Constant = {
    dtype,
    shape: [groups, group / 2, 2, width],
    source: { kind: "swap", of: halves },
  };
  return { dtype, shape, source: { kind: "reshape", of: turns } };
}
