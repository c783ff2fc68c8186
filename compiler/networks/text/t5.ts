import { basename } from "node:path";
import { mulDims, subDims } from "../../../ir/dim.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { pipelineFormOf } from "../../../ir/models/index.js";
import { intsConstant } from "../../rewrite/values.js";
import type { NetworkConfig } from "../config.js";
import { NetworkTensors } from "../tensors.js";
import { type Activation, activationNamed } from "./activations.js";
import { ATTENTION_MASK, INPUT_IDS, MOST_TOKENS, type TextNetworkKind, TOKENS } from "./kind.js";
import { type T5Buckets, t5Bucket } from "./t5-buckets.js";
import { TextBuilder } from "./text-builder.js";

interface T5Sizes {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly layers: number;
  readonly mlpWidth: number;
  readonly epsilon: number;
  readonly activation: Activation;
  readonly gated: boolean;
  readonly buckets: T5Buckets;
  /** Whether padding is masked; where it is not, states read it as any token. */
  readonly masked: boolean;
}

const MOST_LAYERS = 256;
const OUTPUT = "last_hidden_state";

/** T5's encoder: `input_ids`, and `attention_mask` where the pipeline passes one, → `last_hidden_state` [1, tokens, width]. */
export const t5Encoder: TextNetworkKind = {
  title: "T5's encoder",
  modelTypes: ["t5"],
  open(folder, config, className) {
    const sizes = sizesOf(config, pipelineFormOf(className)?.text === "masked-states");
    return {
      build: () => t5Graph(basename(folder), sizes, NetworkTensors.read(folder, "model")),
      sizes: ({ textTokens }) => ({ [TOKENS]: textTokens }),
    };
  },
};

function sizesOf(config: NetworkConfig, masked: boolean): T5Sizes {
  const form = config.text("feed_forward_proj") ?? "relu";
  const [, gate, name = form] = /^(gated-)?(.*)$/.exec(form) ?? [];
  // What Transformers derives from this setting it writes beside it, and reads before it.
  const own = config.text("dense_act_fn");
  const derived = form === "gated-gelu" ? "gelu-tanh" : activationNamed(name);
  const activation = own === undefined ? derived : activationNamed(own);
  if (activation === undefined) {
    const key = own === undefined ? "feed_forward_proj" : "dense_act_fn";
    throw config.unbuilt(
      key,
      own === undefined ? "gated-gelu, relu or the like" : "gelu_new, relu or the like",
    );
  }
  const buckets = {
    count: config.count("relative_attention_num_buckets", 32, 1 << 16),
    maxDistance: config.count("relative_attention_max_distance", 128),
  };
  // Of each direction's half, the first half is exact: with fewer there is none, and nothing to take the logarithm of.
  const exact = Math.floor(Math.floor(buckets.count / 2) / 2);
  if (exact < 1) throw config.refuse("relative_attention_num_buckets", "at least 4");
  if (buckets.maxDistance <= exact)
    throw config.refuse("relative_attention_max_distance", `more than ${exact}`);
  return {
    vocabulary: config.count("vocab_size", 32128),
    width: config.count("d_model", 512),
    heads: config.count("num_heads", 8),
    headDim: config.count("d_kv", 64),
    layers: config.count("num_layers", 6, MOST_LAYERS),
    mlpWidth: config.count("d_ff", 2048),
    epsilon: config.positive("layer_norm_epsilon", 1e-6),
    activation,
    gated: config.flag("is_gated_act", gate !== undefined),
    buckets,
    masked,
  };
}

function t5Graph(name: string, sizes: T5Sizes, tensors: NetworkTensors): Graph {
  const prefix = tensors.prefixOf("final_layer_norm.weight", ["encoder.", ""]);
  const graph = new T5Builder(tensors, prefix).build(name, sizes);
  tensors.requireAllTaken((tensor) => tensor.startsWith(`${prefix}block.`));
  return graph;
}

class T5Builder extends TextBuilder {
  build(name: string, sizes: T5Sizes): Graph {
    const { vocabulary, width, layers, epsilon, masked } = sizes;
    const ids = this.input(INPUT_IDS, [1, TOKENS], "i64");
    const mask = masked ? this.input(ATTENTION_MASK, [1, TOKENS], "i64") : null;
    // The table is the decoder's too, and files have it under either name or both.
    const stored = this.tensors.nameOf(["shared.weight", `${this.prefix}embed_tokens.weight`]);
    const table = this.weight("embed_tokens.weight", [vocabulary, width], stored);
    let x = this.node("embed_tokens", "gather", [table, ids], { axis: 0 });
    const bias = this.#bias(sizes);
    for (let i = 0; i < layers; i++) x = this.#block(`block.${i}`, x, [bias, mask], sizes);
    this.rmsNorm("final_layer_norm", x, width, epsilon, OUTPUT);
    return this.graph(name, [OUTPUT]);
  }

  /** What every block adds to its scores, [heads, 2·tokens − 1], by the distance of key and query. */
  #bias({ heads, buckets }: T5Sizes): ValueId {
    const table = this.weight("block.0.layer.0.SelfAttention.relative_attention_bias.weight", [
      buckets.count,
      heads,
    ]);
    const all = Array.from({ length: 2 * MOST_TOKENS - 1 }, (_, i) =>
      t5Bucket(i - (MOST_TOKENS - 1), buckets),
    );
    const known = this.constant("position_bias.buckets", intsConstant(all));
    const wanted = this.node("position_bias.distances", "part", [known], {
      axis: 0,
      start: subDims(MOST_TOKENS, TOKENS),
      length: subDims(mulDims(2, TOKENS), 1),
    });
    const byDistance = this.node("position_bias.by_distance", "gather", [table, wanted], { axis: 0 });
    return this.node("position_bias", "transpose", [byDistance], { perm: [1, 0] });
  }

  #block(prefix: string, x: ValueId, terms: readonly (ValueId | null)[], sizes: T5Sizes): ValueId {
    const { width, heads, headDim, epsilon, mlpWidth, activation, gated } = sizes;
    const inner = heads * headDim;
    const own = `${prefix}.layer.0.SelfAttention`;
    const normalized = this.rmsNorm(`${prefix}.layer.0.layer_norm`, x, width, epsilon);
    const [q, k, v] = ["q", "k", "v"].map((part) =>
      this.linear(`${own}.${part}`, normalized, [inner, width], false),
    ) as [ValueId, ValueId, ValueId];
    const attended = this.node(own, "attention", [q, k, v, ...terms], { heads, scale: 1 });
    const middle = this.add(`${prefix}.middle`, x, this.linear(`${own}.o`, attended, [width, inner], false));
    const mlp = `${prefix}.layer.1.DenseReluDense`;
    const second = this.rmsNorm(`${prefix}.layer.1.layer_norm`, middle, width, epsilon);
    const up = (part: string) => this.linear(`${mlp}.${part}`, second, [mlpWidth, width], false);
    const activated = this.activated(`${mlp}.act`, up(gated ? "wi_0" : "wi"), activation);
    const hidden = gated ? this.multiply(`${mlp}.gated`, activated, up("wi_1")) : activated;
    return this.add(`${prefix}.out`, middle, this.linear(`${mlp}.wo`, hidden, [width, mlpWidth], false));
  }
}
