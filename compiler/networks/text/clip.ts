import { basename } from "node:path";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { floatsConstant, intsConstant } from "../../rewrite/values.js";
import type { NetworkConfig } from "../config.js";
import { NetworkTensors } from "../tensors.js";
import { type Activation, activationOf } from "./activations.js";
import { INPUT_IDS, type TextNetworkKind } from "./kind.js";
import { TextBuilder } from "./text-builder.js";

interface ClipSizes {
  readonly vocabulary: number;
  readonly positions: number;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly mlpWidth: number;
  readonly epsilon: number;
  readonly activation: Activation;
  /** The token whose state is the summary, or null: the largest one. */
  readonly endToken: number | null;
}

/** What configurations say that are older than Transformers' use of the setting, whose tokens were not numbered so. */
const OLD_END_TOKEN = 2;
const MOST_LAYERS = 256;

/**
 * CLIP's text model: `input_ids` → `last_hidden_state` [1, positions, width], `pooler_output` [1, width]. Prompts are padded
 * to all of its positions.
 */
export const clipText: TextNetworkKind = {
  title: "CLIP's text model",
  modelTypes: ["clip_text_model"],
  open(folder, config) {
    const sizes = sizesOf(config);
    return {
      build: () => clipGraph(basename(folder), sizes, NetworkTensors.read(folder, "model")),
      sizes: () => ({}),
    };
  },
};

function sizesOf(config: NetworkConfig): ClipSizes {
  const width = config.count("hidden_size", 512);
  const heads = config.count("num_attention_heads", 8);
  if (width % heads !== 0) throw config.refuse("num_attention_heads", `a divisor of hidden_size ${width}`);
  const end = config.count("eos_token_id", 49407);
  return {
    vocabulary: config.count("vocab_size", 49408),
    positions: config.count("max_position_embeddings", 77),
    width,
    heads,
    layers: config.count("num_hidden_layers", 12, MOST_LAYERS),
    mlpWidth: config.count("intermediate_size", 2048),
    epsilon: config.positive("layer_norm_eps", 1e-5),
    activation: activationOf(config, "hidden_act", "quick_gelu"),
    endToken: end === OLD_END_TOKEN ? null : end,
  };
}

function clipGraph(name: string, sizes: ClipSizes, tensors: NetworkTensors): Graph {
  const prefix = tensors.prefixOf("final_layer_norm.weight", ["text_model.", ""]);
  const graph = new ClipBuilder(tensors, prefix).build(name, sizes);
  tensors.requireAllTaken((tensor) => tensor.startsWith(`${prefix}encoder.layers.`));
  return graph;
}

class ClipBuilder extends TextBuilder {
  build(name: string, sizes: ClipSizes): Graph {
    const { vocabulary, positions, width, layers, epsilon } = sizes;
    const ids = this.input(INPUT_IDS, [1, positions], "i64");
    const table = this.weight("embeddings.token_embedding.weight", [vocabulary, width]);
    const words = this.node("embeddings.token_embedding", "gather", [table, ids], { axis: 0 });
    const places = this.weight("embeddings.position_embedding.weight", [positions, width]);
    let x = this.add("embeddings", words, places);
    for (let i = 0; i < layers; i++) x = this.#layer(`encoder.layers.${i}`, x, sizes);
    const states = this.layerNorm("final_layer_norm", x, width, epsilon, "last_hidden_state");
    this.#pooled(ids, states, sizes);
    return this.graph(name, ["last_hidden_state", "pooler_output"]);
  }

  #layer(prefix: string, x: ValueId, { width, heads, mlpWidth, epsilon, activation }: ClipSizes): ValueId {
    const own = `${prefix}.self_attn`;
    const normalized = this.layerNorm(`${prefix}.layer_norm1`, x, width, epsilon);
    const [q, k, v] = ["q", "k", "v"].map((part) =>
      this.linear(`${own}.${part}_proj`, normalized, [width, width], true),
    ) as [ValueId, ValueId, ValueId];
    const scale = 1 / Math.sqrt(width / heads);
    const attended = this.node(own, "attention", [q, k, v], { heads, scale, causal: true });
    const out = this.linear(`${own}.out_proj`, attended, [width, width], true);
    const middle = this.add(`${prefix}.middle`, x, out);
    const second = this.layerNorm(`${prefix}.layer_norm2`, middle, width, epsilon);
    const up = this.linear(`${prefix}.mlp.fc1`, second, [mlpWidth, width], true);
    const activated = this.activated(`${prefix}.mlp.activation`, up, activation);
    return this.add(
      `${prefix}.out`,
      middle,
      this.linear(`${prefix}.mlp.fc2`, activated, [width, mlpWidth], true),
    );
  }

  /**
   * The state of the first end token, or where configurations are old, of the first of the largest tokens. Of a prompt
   * without an end token it is the first state. The first place of the largest value is the least of its places.
   */
  #pooled(ids: ValueId, states: ValueId, { positions, endToken }: ClipSizes): void {
    const key =
      endToken === null
        ? ids
        : this.node(
            "pooler.ends",
            "binary",
            [ids, this.constant("pooler.end", intsConstant([endToken], []))],
            {
              fn: "equal",
            },
          );
    const value = this.node("pooler.value", "cast", [key], { to: "f32" });
    const axes = this.constant("pooler.axes", intsConstant([1]));
    const reduced = { keepDims: true, noopWithEmptyAxes: false };
    const largest = this.node("pooler.largest", "reduce", [value, axes], { fn: "max", ...reduced });
    const isLargest = this.node("pooler.candidates", "binary", [value, largest], { fn: "equal" });
    const all = Float32Array.from({ length: positions }, (_, i) => i);
    const places = this.constant("pooler.places", floatsConstant(all, [positions]));
    const past = this.scalar("pooler.past", positions);
    const candidates = this.node("pooler.candidate_places", "where", [isLargest, places, past], {});
    const first = this.node("pooler.first", "reduce", [candidates, axes], {
      fn: "min",
      ...reduced,
      keepDims: false,
    });
    const index = this.node("pooler.index", "cast", [first], { to: "i64" });
    const state = this.node("pooler.state", "gather", [states, index], { axis: 1 });
    this.node("pooler_output", "squeeze", [state, this.constant("pooler.axis", intsConstant([1]))], {});
  }
}
