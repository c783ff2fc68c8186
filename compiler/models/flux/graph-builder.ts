import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { IMG_TOKENS, TXT_TOKENS } from "../../../ir/models/index.js";
import type { OpAttrs } from "../../../ir/ops/index.js";
import { GraphBuilder } from "../../graph-builder.js";
import type { FluxSizes } from "./sizes.js";
import type { FluxWeights } from "./weights.js";

/** As in Optimum's exports. */
export const BATCH = "batch_size";
const OUTPUT = "out_hidden_states";
/** Timestep and guidance are multiplied by this before their sinusoids. */
export const TIME_FACTOR = 1000;
export const MAX_PERIOD = 10000;

type Stream = "txt" | "img";
/** Shift and scale of a modulated norm. */
type Modulation = readonly [shift: ValueId, scale: ValueId];

/**
 * A transformer of double and single blocks as model operations: what the recognizers find in its ONNX export. Inputs and
 * output have the names that Diffusers and Optimum give them.
 */
export abstract class FluxGraphBuilder extends GraphBuilder {
  readonly #sizes: FluxSizes;
  readonly #weights: FluxWeights;
  protected readonly hidden: number;
  /** Rotation tables. */
  #table: readonly [cos: ValueId, sin: ValueId] = ["", ""];
  /** silu of the conditioning, which every modulation reads. */
  #conditioning: ValueId = "";

  constructor(sizes: FluxSizes, weights: FluxWeights) {
    super();
    this.#sizes = sizes;
    this.#weights = weights;
    this.hidden = sizes.heads * sizes.headDim;
  }

  /** Adds to the embedded timestep and guidance what a family's conditioning has besides. */
  protected abstract conditioning(sum: ValueId, pooled: ValueId | undefined): ValueId;
  /** Shift, scale and gate of `double.3.img` or `single.7`, `count` in all. */
  protected abstract modulation(prefix: string, count: number): readonly ValueId[];
  /** Shift and scale of the last norm, in the order that the weights have. */
  protected outModulation(): readonly ValueId[] {
    return this.rows("norm_out.modulation", 2);
  }

  /** What the second linear of the MLP of `double.3.img` reads. */
  protected abstract activated(prefix: string, x: ValueId): ValueId;
  /** Queries, keys and values of a single block. */
  protected abstract singleHeads(prefix: string, x: ValueId): readonly [ValueId, ValueId, ValueId];
  /** What the last linear of a single block reads behind the attended values. */
  protected abstract singleActivated(prefix: string, x: ValueId): ValueId;

  build(name: string): Graph {
    const { inChannels, contextDim, pooledDim, ropeAxes, guidance, doubleBlocks, singleBlocks } = this.#sizes;
    const latents = this.input("hidden_states", [BATCH, IMG_TOKENS, inChannels]);
    const context = this.input("encoder_hidden_states", [BATCH, TXT_TOKENS, contextDim]);
    const pooled = pooledDim === null ? undefined : this.input("pooled_projections", [BATCH, pooledDim]);
    const timestep = this.input("timestep", [BATCH]);
    const imgIds = this.input("img_ids", [IMG_TOKENS, ropeAxes.length]);
    const txtIds = this.input("txt_ids", [TXT_TOKENS, ropeAxes.length]);
    const guided = guidance ? this.input("guidance", [BATCH]) : undefined;
    this.condition(timestep, guided, pooled);
    this.#rotate(txtIds, imgIds);
    let img = this.linear("x_embedder", latents);
    let txt = this.linear("context_embedder", context);
    for (let i = 0; i < doubleBlocks; i++) [txt, img] = this.#double(i, txt, img);
    let joint = this.node("joint", "concat", [txt, img], { axis: 1 });
    for (let i = 0; i < singleBlocks; i++) joint = this.#single(i, joint);
    this.#finish(this.tokens("img", "norm_out.tokens", joint));
    return this.graph(name, [OUTPUT]);
  }

  // Layers.

  /** The linear of a role; its result has the role's name unless another is given. */
  protected linear(role: string, x: ValueId, id: ValueId = role): ValueId {
    const { weight, bias } = this.#weights.linear(role);
    const inputs = [x, this.constant(`${role}.weight`, weight)];
    if (bias !== undefined) inputs.push(this.constant(`${role}.bias`, bias));
    return this.node(id, "linear", inputs, { role: null, activation: "none", gated: false });
  }

  /** The linear of a role as `count` parts of equal width, as wide as the residual stream. */
  protected rows(role: string, count: number): readonly ValueId[] {
    const rows = this.linear(role, this.#conditioning);
    return Array.from({ length: count }, (_, i) => this.channels(`${rows}.${i}`, rows, i * this.hidden));
  }

  /** Channels from `start` on of a value of rows. */
  protected channels(id: ValueId, x: ValueId, start: number, length = this.hidden): ValueId {
    const axis = this.shapeOf(x).length - 1;
    return this.node(id, "part", [x], { axis, start, length });
  }

  protected modulated(id: ValueId, x: ValueId, [shift, scale]: Modulation): ValueId {
    const norm = this.node(`${id}.norm`, "layer-norm", [x, null, null], {
      axis: 2,
      epsilon: this.#sizes.epsilon,
    });
    return this.node(id, "modulate", [norm, shift, scale], {});
  }

  protected embedder(role: string, x: ValueId): ValueId {
    const first = this.linear(`${role}.0`, x);
    return this.linear(`${role}.1`, this.node(`${role}.silu`, "silu", [first], {}));
  }

  protected sinusoid(id: ValueId, of: ValueId, dim = this.#sizes.frequencies): ValueId {
    return this.node(id, "timestep-embedding", [of], {
      dim,
      factor: TIME_FACTOR,
      maxPeriod: MAX_PERIOD,
      shift: 0,
      sinFirst: false,
      frequencies: null,
    });
  }

  /** Makes what modulations are computed from. */
  protected condition(timestep: ValueId, guidance?: ValueId, pooled?: ValueId): void {
    let sum = this.embedder("time_in", this.sinusoid("time_in.sinusoid", timestep));
    if (guidance !== undefined) {
      const guided = this.embedder("guidance_in", this.sinusoid("guidance_in.sinusoid", guidance));
      sum = this.node("time_guidance", "binary", [sum, guided], { fn: "add" });
    }
    sum = this.conditioning(sum, pooled);
    this.#conditioning = this.node("conditioning.silu", "silu", [sum], {});
  }

  /** Text comes before image in every joint sequence. */
  #rotate(txtIds: ValueId, imgIds: ValueId): void {
    const ids = this.node("ids", "concat", [txtIds, imgIds], { axis: 0 });
    this.#table = ["rope.cos", "rope.sin"];
    const axesDims = this.#sizes.ropeAxes;
    this.emit("rope-table", [ids], this.#table, {
      axesDims,
      theta: this.#sizes.ropeTheta,
      frequencies: null,
    });
  }

  /** What the linear of `double.3.img.q` or `single.7.k` gives, normalized by head; in one where the group is 0. */
  protected normalized(role: string, x: ValueId, group = this.#sizes.headDim): ValueId {
    const weight = this.constant(`${role}.norm.weight`, this.#weights.vector(`${role}.norm`));
    const attrs = { axis: 2, epsilon: this.#sizes.epsilon, group };
    return this.node(`${role}.norm`, "rms-norm", [x, weight], attrs);
  }

  /** Queries and keys, normalized by head, and values. */
  protected projections(prefix: string, x: ValueId): readonly [ValueId, ValueId, ValueId] {
    const normalized = (role: string) => this.normalized(role, this.linear(role, x));
    return [normalized(`${prefix}.q`), normalized(`${prefix}.k`), this.linear(`${prefix}.v`, x)];
  }

  protected attention(prefix: string, q: ValueId, k: ValueId, v: ValueId): ValueId {
    const { heads, headDim } = this.#sizes;
    const [rotatedQ, rotatedK] = [q, k].map((x) =>
      this.node(`${x}.rope`, "rope", [x, ...this.#table], { headDim }),
    ) as [ValueId, ValueId];
    const scale = 1 / Math.sqrt(headDim);
    return this.attended(`${prefix}.attention`, [rotatedQ, rotatedK, v], { heads, scale });
  }

  /** Queries read values by keys. */
  protected attended(
    id: ValueId,
    heads: readonly [q: ValueId, k: ValueId, v: ValueId],
    attrs: OpAttrs["attention"],
  ): ValueId {
    return this.node(id, "attention", heads, attrs);
  }

  protected tokens(stream: Stream, id: ValueId, joint: ValueId): ValueId {
    const [start, length] =
      stream === "txt" ? ([0, TXT_TOKENS] as const) : ([TXT_TOKENS, IMG_TOKENS] as const);
    return this.node(id, "part", [joint], { axis: 1, start, length });
  }

  // Blocks.

  #double(block: number, txt: ValueId, img: ValueId): [ValueId, ValueId] {
    const prefix = `double.${block}`;
    const streams = (["txt", "img"] as const).map((stream) => {
      const name = `${prefix}.${stream}`;
      const x = stream === "txt" ? txt : img;
      const rows = this.modulation(name, 6);
      const part = (i: number) => rows[i] ?? "";
      const normalized = this.modulated(`${name}.modulated`, x, [part(0), part(1)]);
      return { stream, name, x, part, heads: this.projections(name, normalized) };
    });
    const [q, k, v] = ([0, 1, 2] as const).map((i) =>
      this.node(
        `${prefix}.${"qkv"[i]}`,
        "concat",
        streams.map(({ heads }) => heads[i]),
        { axis: 1 },
      ),
    ) as [ValueId, ValueId, ValueId];
    const attended = this.attention(prefix, q, k, v);
    return streams.map(({ stream, name, x, part }) => {
      const out = this.linear(`${name}.out`, this.tokens(stream, `${name}.attended`, attended));
      const middle = this.node(`${name}.residual`, "gated-residual", [x, part(2), out], {});
      const up = this.activated(name, this.modulated(`${name}.mlp.modulated`, middle, [part(3), part(4)]));
      const down = this.linear(`${name}.mlp.down`, up);
      return this.node(`${name}.mlp.residual`, "gated-residual", [middle, part(5), down], {});
    }) as [ValueId, ValueId];
  }

  #single(block: number, x: ValueId): ValueId {
    const prefix = `single.${block}`;
    const [shift = "", scale = "", gate = ""] = this.modulation(prefix, 3);
    const normalized = this.modulated(`${prefix}.modulated`, x, [shift, scale]);
    const attended = this.attention(prefix, ...this.singleHeads(prefix, normalized));
    const activated = this.singleActivated(prefix, normalized);
    const wide = this.node(`${prefix}.wide`, "concat", [attended, activated], { axis: 2 });
    const out = this.linear(`${prefix}.out`, wide);
    return this.node(`${prefix}.residual`, "gated-residual", [x, gate, out], {});
  }

  #finish(x: ValueId): void {
    const [first = "", second = ""] = this.outModulation();
    const rows: Modulation = this.#weights.scaleFirst ? [second, first] : [first, second];
    this.linear("proj_out", this.modulated("norm_out.modulated", x, rows), OUTPUT);
  }
}
