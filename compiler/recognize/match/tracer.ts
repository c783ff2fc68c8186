import type { Dim, Shape } from "../../../ir/dim.js";
import { isFloat } from "../../../ir/dtype.js";
import type { Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { definitionOf, type OpName } from "../../../ir/ops/index.js";
import { countOf } from "../../../ir/tensor.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import { combine, contractChannels, normChannels, sumChannels } from "./arithmetic.js";
import {
  type Channels,
  channelSizes,
  concatChannels,
  expandChannels,
  MAX_CHANNELS,
  mapChannels,
  pickChannels,
  reshapeChannels,
  sizesOf,
  tokensOf,
  transposeChannels,
  zipChannels,
} from "./channels.js";
import { Expressions } from "./expressions.js";
import { joinRotary } from "./join-rotary.js";
import { gatherEntries, sliceChannels, tileChannels } from "./moves.js";
import { RowBuilder } from "./row-builder.js";
import {
  guardedScores,
  maskedScores,
  type Scores,
  scaledScores,
  softmaxScores,
  type Traced,
} from "./scores.js";
import { cutTokens, joinTokens } from "./tokens.js";

/** Longest chain of operations followed; between two linears of a FLUX block there are about 40. */
const MAX_DEPTH = 400;

/** What the tracer follows and makes anew; the scores of a softmax are part of attention. */
export const TRACED: ReadonlySet<OpName> = new Set<OpName>([
  "reshape",
  "transpose",
  "expand",
  "tile",
  "part",
  "slice",
  "gather",
  "concat",
  "cast",
  "unary",
  "binary",
  "reduce",
  "rms-norm",
  "matmul",
  "where",
]);

/**
 * Follows channels through the operations that only move, scale and rotate them (reshape, transpose, part,
 * concat, expand, RoPE arithmetic, head-wise norms, attention), whatever the layout, and builds equivalent
 * values of rows of channels from model ops.
 */
export class Tracer {
  readonly #rewriter: Rewriter;
  readonly #memo = new Map<ValueId, Traced | undefined>();
  /** Attention results: kept when the memo is dropped, for they are dear to find again. */
  readonly #attended = new Map<
    ValueId,
    { readonly like: Channels; readonly rows: ValueId; readonly tokens: Dim }
  >();
  #expressions = new Expressions();
  #depth = 0;
  #builder: RowBuilder;

  constructor(rewriter: Rewriter) {
    this.#rewriter = rewriter;
    this.#builder = new RowBuilder(rewriter, this.#expressions);
  }

  /** A value of model ops that equals `id` up to its shape; undefined where nothing simpler is found. */
  simplify(id: ValueId): ValueId | undefined {
    // Starting anew bounds memory on models of many blocks.
    if (!this.#expressions.roomy) {
      this.#memo.clear();
      this.#expressions = new Expressions();
      this.#builder = new RowBuilder(this.#rewriter, this.#expressions);
    }
    const traced = this.trace(id);
    if (traced?.kind !== "channels" || this.#rewriter.constant(id) !== undefined) return undefined;
    // Rows of channels take another shape by a reshape only where no channel axis lies before the tokens.
    const before = countOf(sizesOf(traced).slice(0, traced.token ?? 0));
    if (before !== 1 && tokensOf(traced) !== 1) return undefined;
    return this.#builder.build(traced.channels, tokensOf(traced));
  }

  trace(id: ValueId): Traced | undefined {
    const at = this.#rewriter.resolve(id);
    if (!this.#memo.has(at)) {
      this.#depth++;
      this.#memo.set(at, (this.#depth < MAX_DEPTH ? this.#evaluate(at) : undefined) ?? this.#root(at));
      this.#depth--;
    }
    return this.#memo.get(at);
  }

  #channels(id: ValueId | undefined): Channels | undefined {
    const traced = id === undefined ? undefined : this.trace(id);
    return traced?.kind === "channels" ? traced : undefined;
  }

  /** A value taken as it is: [1, T, C], [T, C] or [T]. */
  #root(id: ValueId): Channels | undefined {
    const shape = this.#rewriter.shape(id);
    if (shape === undefined || shape.length < 1 || shape.length > 3 || this.#rewriter.constant(id))
      return undefined;
    if (shape.length === 3 && shape[0] !== 1) return undefined;
    const token = Math.max(0, shape.length - 2);
    const sizes = channelSizes(shape, token);
    if (sizes === undefined) return undefined;
    const channels = this.#expressions.leaves(id, countOf(sizes));
    return channels === undefined ? undefined : { kind: "channels", shape, token, channels, rotary: false };
  }

  #evaluate(id: ValueId): Traced | undefined {
    const rewriter = this.#rewriter;
    const shape = rewriter.shape(id);
    if (shape === undefined) return undefined;
    if (rewriter.constant(id) !== undefined) return this.#constant(id, shape);
    const node = rewriter.producer(id);
    if (node === undefined) return undefined;
    const x = rewriter.input(node, 0);
    if (x === undefined) return undefined;
    // Whole numbers are only moved: their products and quotients round and wrap.
    const computes = node.op !== "cast" && definitionOf(node.op).traits.moves.length === 0;
    if (computes && !isFloat(rewriter.dtype(id))) return undefined;
    switch (node.op) {
      case "reshape":
        return this.#reshape(x, shape);
      case "transpose": {
        const value = this.#channels(x);
        const perm = node.attrs.perm ?? [...shape.keys()].reverse();
        return value === undefined ? undefined : transposeChannels(value, perm);
      }
      case "expand": {
        const value = this.#channels(x);
        return value === undefined ? undefined : expandChannels(value, shape);
      }
      case "tile": {
        const value = this.#channels(x);
        return value === undefined ? undefined : tileChannels(value, shape);
      }
      case "part":
        return this.#part(x, node.attrs.axis, node.attrs.start, node.attrs.length);
      case "slice": {
        const value = this.#channels(x);
        return value === undefined ? undefined : sliceChannels(rewriter, node, value, shape);
      }
      case "gather": {
        const value = this.#channels(x);
        return value === undefined ? undefined : gatherEntries(rewriter, node, value, shape);
      }
      case "concat":
        return this.#concat(node);
      case "cast": {
        const value = this.trace(x);
        const from = rewriter.dtype(x);
        return node.attrs.to === from || (isFloat(node.attrs.to) && from !== "bool") ? value : undefined;
      }
      case "unary":
        return this.#unary(node, x);
      case "binary":
        return this.#binary(node, shape);
      case "reduce":
        return this.#reduce(node, x, shape);
      case "rms-norm":
        return normChannels(this.#expressions, node, this.#channels(x), rewriter.input(node, 1) ?? null);
      case "matmul":
        return this.#matmul(node, id, shape);
      case "softmax":
        return softmaxScores(node, this.trace(x), shape.length);
      case "where":
        return guardedScores(rewriter, node, (value) => this.trace(value));
      default:
        return undefined;
    }
  }

  #constant(id: ValueId, shape: Shape): Channels | undefined {
    const values = this.#rewriter.numbers(id, MAX_CHANNELS);
    if (values === undefined) return undefined;
    const channels = Int32Array.from(values, (v) => this.#expressions.constant(v));
    return { kind: "channels", shape, token: null, channels, rotary: false };
  }

  #reshape(x: ValueId, shape: Shape): Traced | undefined {
    const value = this.trace(x);
    if (value?.kind === "channels") return reshapeChannels(value, shape);
    if (value === undefined) return undefined;
    // Scores may gain and lose head axes, as in batched products of three axes.
    const [rows, columns] = value.shape.slice(-2);
    return shape.at(-1) === columns && shape.at(-2) === rows ? { ...value, shape } : undefined;
  }

  #part(x: ValueId, axis: number, start: Dim, length: Dim): Channels | undefined {
    const value = this.#channels(x);
    if (value === undefined) return undefined;
    if (axis !== value.token) {
      if (typeof start !== "number" || typeof length !== "number") return undefined;
      return pickChannels(
        value,
        axis,
        Array.from({ length }, (_, i) => start + i),
      );
    }
    // Some of the tokens: the cut is made on rows of channels.
    const rows = this.#rows(x, value);
    if (rows === undefined) return undefined;
    const shape = this.#rewriter.shape(rows);
    if (shape === undefined) return undefined;
    return this.#fresh(value, cutTokens(this.#rewriter, rows, start, length), length);
  }

  #concat(node: NodeOf<"concat">): Channels | undefined {
    const parts: Channels[] = [];
    for (const input of node.inputs) {
      const part = input === null ? undefined : this.#channels(input);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    const rank = parts[0]?.shape.length ?? 0;
    const axis = node.attrs.axis < 0 ? node.attrs.axis + rank : node.attrs.axis;
    return concatChannels(parts, axis) ?? this.#concatTokens(node, parts, axis);
  }

  /** Text and image tokens: joined as rows of channels, whatever axis they were joined along. */
  #concatTokens(node: NodeOf<"concat">, parts: readonly Channels[], axis: number): Channels | undefined {
    const first = parts[0];
    const tokens = this.#rewriter.shape(node.outputs[0] ?? "")?.[axis];
    if (first === undefined || tokens === undefined || parts.some((p) => p.token !== axis)) return undefined;
    const rotary = joinRotary(this.#rewriter, this.#expressions, parts, axis, tokens);
    if (rotary !== undefined) return rotary;
    const rows: ValueId[] = [];
    for (const [i, part] of parts.entries()) {
      const made = this.#rows(node.inputs[i] ?? "", part);
      if (made === undefined || part.channels.length !== first.channels.length) return undefined;
      rows.push(made);
    }
    return this.#fresh(first, joinTokens(this.#rewriter, rows, tokens), tokens);
  }

  /** The layout of `like` over the channels of a new value of rows. */
  #fresh(like: Channels, rows: ValueId, tokens: Dim): Channels | undefined {
    const channels = this.#expressions.leaves(rows, like.channels.length);
    if (channels === undefined) return undefined;
    const shape = like.shape.map((d, axis) => (axis === like.token ? tokens : d));
    return { ...like, shape, channels, rotary: false };
  }

  /** A value as rows [1, T, C] or [T, C], its channels in the row-major order of `value`. */
  #rows(id: ValueId, value: Channels): ValueId | undefined {
    const built = this.#builder.build(value.channels, tokensOf(value));
    if (built !== undefined) {
      const shape = this.#rewriter.shape(built);
      if (shape !== undefined && shape.length >= 2) return built;
    }
    const own = this.#root(this.#rewriter.resolve(id));
    const same = own !== undefined && own.shape.length >= 2 && own.channels.length === value.channels.length;
    return same && own.token === value.token ? this.#rewriter.resolve(id) : undefined;
  }

  #unary(node: NodeOf<"unary">, x: ValueId): Channels | undefined {
    const { fn } = node.attrs;
    if (fn !== "neg" && fn !== "cos" && fn !== "sin") return undefined;
    const value = this.#channels(x);
    if (value === undefined || value.token === null) return undefined;
    const e = this.#expressions;
    if (fn === "neg") return mapChannels(value, (c) => e.scale(c, -1));
    const result = mapChannels(value, (c) => e.trig(fn, c));
    return result === undefined ? undefined : { ...result, rotary: true };
  }

  #binary(node: NodeOf<"binary">, shape: Shape): Traced | undefined {
    const { fn } = node.attrs;
    if (fn !== "add" && fn !== "sub" && fn !== "mul" && fn !== "div") return undefined;
    const [a, b] = [this.#rewriter.input(node, 0), this.#rewriter.input(node, 1)];
    if (a === undefined || b === undefined) return undefined;
    const trace = (value: ValueId) => this.trace(value);
    const scores =
      scaledScores(this.#rewriter, fn, a, b, trace) ?? maskedScores(this.#rewriter, fn, a, b, trace);
    if (scores !== undefined) return scores;
    const [left, right] = [this.#channels(a), this.#channels(b)];
    if (left === undefined || right === undefined) return undefined;
    // Sums and products of two computed values that rotate nothing are not layout: leave them whole.
    const linear = left.token === null || right.token === null;
    if (linear ? fn === "add" || fn === "sub" : !left.rotary && !right.rotary) return undefined;
    return zipChannels(left, right, shape, (x, y) => combine(this.#expressions, fn, x, y));
  }

  /** A sum over channel axes, as rotations by matrix products are written. */
  #reduce(node: NodeOf<"reduce">, x: ValueId, shape: Shape): Channels | undefined {
    const axesId = this.#rewriter.input(node, 1);
    const axes = axesId === undefined ? undefined : this.#rewriter.numbers(axesId, 16);
    const value = this.#channels(x);
    if (node.attrs.fn !== "sum" || axes === undefined || value === undefined || !value.rotary)
      return undefined;
    const rank = value.shape.length;
    const over = new Set(Array.from(axes, (a) => (a < 0 ? a + rank : a)));
    if (value.token !== null && over.has(value.token)) return undefined;
    return sumChannels(this.#expressions, value, over, shape);
  }

  #matmul(node: Node, id: ValueId, shape: Shape): Traced | undefined {
    const done = this.#attended.get(id);
    if (done !== undefined) return this.#fresh(done.like, done.rows, done.tokens);
    const [left, right] = [this.#rewriter.input(node, 0), this.#rewriter.input(node, 1)];
    const a = left === undefined ? undefined : this.trace(left);
    const b = this.#channels(right);
    if (a === undefined || b === undefined) return undefined;
    const rank = b.shape.length;
    if (a.kind === "scores") return this.#attention(a, b, id, shape);
    if (a.shape.length !== rank || rank < 2) return undefined;
    const heads = (x: Channels) => sizesOf(x).slice(0, -2).join();
    const isScores = a.token === rank - 2 && b.token === rank - 1 && heads(a) === heads(b);
    if (isScores) return { kind: "scores", shape, q: a, k: b, scale: 1, softmax: false };
    return a.rotary || b.rotary ? contractChannels(this.#expressions, a, b, shape) : undefined;
  }

  /** softmax(scale·q·kᵀ + factor·m·mᵀ)·v */
  #attention(scores: Scores, v: Channels, id: ValueId, shape: Shape): Channels | undefined {
    const { q, k } = scores;
    const rank = v.shape.length;
    if (!scores.softmax || v.token !== rank - 2 || tokensOf(v) !== tokensOf(k)) return undefined;
    const lead = sizesOf(v).slice(0, -2);
    const heads = countOf(lead);
    if (scores.shape.slice(0, -2).join() !== lead.join()) return undefined;
    if (v.channels.length !== q.channels.length || v.channels.length !== k.channels.length) return undefined;
    // k is [..., D, T]: its channels are head-major like those of q, since the token axis counts as 1.
    const made = this.#builder.attention(
      { q: q.channels, queries: tokensOf(q), k: k.channels, v: v.channels, keys: tokensOf(k) },
      heads,
      scores,
    );
    if (made === undefined) return undefined;
    const like: Channels = { ...v, shape, token: shape.length - 2 };
    this.#attended.set(id, { like, rows: made, tokens: tokensOf(q) });
    return this.#fresh(like, made, tokensOf(q));
  }
}
