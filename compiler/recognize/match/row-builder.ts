import type { Dim } from "../../../ir/dim.js";
import type { ValueId } from "../../../ir/graph/graph.js";
import type { Rewriter } from "../../rewrite/rewriter.js";
import { floatsConstant } from "../../rewrite/values.js";
import type { Expr, Expressions } from "./expressions.js";
import { fitRopeTable, fitSinusoid } from "./frequencies.js";
import type { Scores } from "./scores.js";

/** Most pieces a value is joined from: exports join two (text, image) or up to four (q, k, v, mlp). */
const MAX_PIECES = 16;

type Form = "leaf" | "norm" | "rope" | "sinusoid" | "constant";

export interface AttentionParts {
  readonly q: Int32Array;
  readonly queries: Dim;
  readonly k: Int32Array;
  readonly v: Int32Array;
  readonly keys: Dim;
}

/** Makes values of rows [1, T, C] out of the expressions of their channels, or finds that it cannot. */
export class RowBuilder {
  readonly #rewriter: Rewriter;
  readonly #e: Expressions;
  readonly #built = new Map<string, ValueId | undefined>();

  constructor(rewriter: Rewriter, expressions: Expressions) {
    this.#rewriter = rewriter;
    this.#e = expressions;
  }

  build(channels: Int32Array, tokens: Dim): ValueId | undefined {
    const key = `${this.#e.list(channels)} ${tokens}`;
    if (!this.#built.has(key)) this.#built.set(key, this.#pieces(channels, tokens));
    return this.#built.get(key);
  }

  /** Constant factors of q and k join the scale, so that it may stand anywhere. */
  attention(
    parts: AttentionParts,
    heads: number,
    { scale, mask }: Pick<Scores, "scale" | "mask">,
  ): ValueId | undefined {
    const q = this.#unscaled(parts.q);
    const k = this.#unscaled(parts.k);
    if (q === undefined || k === undefined) return undefined;
    const width = parts.v.length;
    const built = [
      this.build(q.channels, parts.queries),
      this.build(k.channels, parts.keys),
      this.build(parts.v, parts.keys),
    ];
    const inputs: ValueId[] = [];
    for (const [i, value] of built.entries()) {
      if (value === undefined) return undefined;
      inputs.push(this.#rewriter.reshape(value, [1, i === 0 ? parts.queries : parts.keys, width]));
    }
    const attrs = { heads, scale: usualScale(scale * q.factor * k.factor, parts.q.length / heads) };
    const node =
      mask === undefined
        ? ({ op: "attention", inputs, attrs } as const)
        : ({
            op: "attention",
            inputs: [...inputs, null, mask.value],
            // Softmax sees no difference between mᵢ·mⱼ added and mᵢ·(1 − mⱼ) taken away.
            attrs: { ...attrs, maskLoss: mask.factor },
          } as const);
    return this.#rewriter.emit(node, [1, parts.queries, width]);
  }

  #unscaled(channels: Int32Array): { readonly channels: Int32Array; readonly factor: number } | undefined {
    const first = this.#e.terms(channels[0] ?? 0)[0];
    if (first === undefined) return undefined;
    const factor = Math.abs(first.factor);
    if (factor === 1) return { channels, factor };
    const unit = (f: number) => (Math.abs(Math.abs(f / factor) - 1) < 1e-6 ? Math.sign(f) : f / factor);
    const rest = channels.map((c) =>
      this.#e.of(this.#e.terms(c).map((t) => ({ factor: unit(t.factor), atoms: t.atoms }))),
    );
    return { channels: rest, factor };
  }

  /** Splits channels into runs of one form, builds each and joins them. */
  #pieces(channels: Int32Array, tokens: Dim): ValueId | undefined {
    const forms = Array.from(channels, (c) => this.#form(c));
    const built: ValueId[] = [];
    for (let from = 0; from < channels.length; ) {
      const form = forms[from];
      if (form === undefined) return undefined;
      let to = from + 1;
      while (to < channels.length && forms[to] === form && !this.#breaks(form, channels, from, to)) to++;
      const piece = this.#piece(form, channels.subarray(from, to), tokens);
      if (piece === undefined || built.length >= MAX_PIECES) return undefined;
      built.push(piece);
      from = to;
    }
    return built.length < 2 ? built[0] : this.#join(built, channels.length, tokens);
  }

  #join(pieces: readonly ValueId[], width: number, tokens: Dim): ValueId {
    const shapes = pieces.map((p) => this.#rewriter.shape(p) ?? []);
    const rank = shapes[0]?.length ?? 3;
    const same = rank >= 2 && shapes.every((s) => s.length === rank);
    const parts = same
      ? pieces
      : pieces.map((p, i) => this.#rewriter.reshape(p, [1, tokens, shapes[i]?.at(-1) ?? 1]));
    const shape = same && rank === 2 ? [tokens, width] : [1, tokens, width];
    return this.#rewriter.emit({ op: "concat", inputs: parts, attrs: { axis: shape.length - 1 } }, shape);
  }

  #form(c: Expr): Form | undefined {
    if (c < 0) return this.#e.blockKind(c);
    const terms = this.#e.terms(c);
    const [term] = terms;
    if (term === undefined || term.atoms.length === 0) return "constant";
    const trigs = term.atoms.filter((a) => this.#isTrig(a)).length;
    if (trigs !== 1) return undefined;
    if (terms.length === 2 && term.atoms.length >= 2) return "rope";
    return terms.length === 1 && term.factor === 1 && term.atoms.length === 1 ? "sinusoid" : undefined;
  }

  #isTrig(atom: number): boolean {
    const { kind } = this.#e.atom(atom);
    return kind === "cos" || kind === "sin";
  }

  /** Whether two neighbors of the same form belong to different pieces. */
  #breaks(form: Form, channels: Int32Array, from: number, to: number): boolean {
    if (form !== "leaf" && form !== "norm") return false;
    if (channels[to] === (channels[to - 1] ?? 0) - 1) return false;
    if (form === "leaf") return true;
    const [a, b] = [this.#norm(channels[from] ?? 0), this.#norm(channels[to] ?? 0)];
    return a.weight !== b.weight || a.epsilon !== b.epsilon || this.#width(a.group) !== this.#width(b.group);
  }

  #width(group: number): number {
    return this.#e.group(group).length;
  }

  #only(c: Expr) {
    return this.#e.atom(this.#e.terms(c)[0]?.atoms[0] ?? 0);
  }

  #leaf(c: Expr) {
    const atom = this.#only(c);
    if (atom.kind !== "leaf") throw new Error("not a leaf");
    return atom;
  }

  #norm(c: Expr) {
    const atom = this.#only(c);
    if (atom.kind !== "norm") throw new Error("not a norm");
    return atom;
  }

  #piece(form: Form, channels: Int32Array, tokens: Dim): ValueId | undefined {
    switch (form) {
      case "leaf":
        return this.#leaves(channels, tokens);
      case "norm":
        return this.#norms(channels, tokens);
      case "rope":
        return this.#rope(channels, tokens);
      case "sinusoid":
        return this.#sinusoid(channels);
      case "constant":
        return tokens === 1 ? this.#constants(channels) : undefined;
    }
  }

  #constants(channels: Int32Array): ValueId | undefined {
    const values = Array.from(channels, (c) => this.#e.terms(c)[0]?.factor ?? 0);
    return this.#rewriter.addConstant(floatsConstant(values, [1, values.length]), "channels");
  }

  #leaves(channels: Int32Array, tokens: Dim): ValueId | undefined {
    const { root, channel } = this.#leaf(channels[0] ?? 0);
    const shape = this.#rewriter.shape(root);
    if (shape === undefined) return undefined;
    if (shape.length === 1) return shape[0] === tokens ? root : undefined;
    if (shape.at(-2) !== tokens) return undefined;
    if (channels.length === shape.at(-1)) return root;
    const axis = shape.length - 1;
    return this.#rewriter.emit(
      { op: "part", inputs: [root], attrs: { axis, start: channel, length: channels.length } },
      shape.with(axis, channels.length),
      this.#rewriter.dtype(root),
    );
  }

  /** Whole groups in order, all normalized alike. */
  #norms(channels: Int32Array, tokens: Dim): ValueId | undefined {
    const { group, epsilon, weight } = this.#norm(channels[0] ?? 0);
    const width = this.#width(group);
    const inner = new Int32Array(channels.length);
    if (channels.length % width !== 0) return undefined;
    for (let i = 0; i < channels.length; i++) {
      if (i % width !== 0) {
        if (channels[i] !== (channels[i - 1] ?? 0) - 1) return undefined;
        continue;
      }
      const first = this.#norm(channels[i] ?? 0);
      if (first.index !== 0) return undefined;
      inner.set(this.#e.group(first.group), i);
    }
    const x = this.build(inner, tokens);
    const shape = x === undefined ? undefined : this.#rewriter.shape(x);
    if (x === undefined || shape === undefined) return undefined;
    const inputs = weight === null ? [x] : [x, weight];
    const attrs = { axis: shape.length - 1, epsilon, group: width === channels.length ? 0 : width };
    return this.#rewriter.emit({ op: "rms-norm", inputs, attrs }, shape);
  }

  /** y0 = a·cos θ − b·sin θ, y1 = b·cos θ + a·sin θ for pairs of neighbors */
  #rope(channels: Int32Array, tokens: Dim): ValueId | undefined {
    const pairs = channels.length / 2;
    if (!Number.isInteger(pairs)) return undefined;
    const inner = new Int32Array(channels.length);
    const angles = new Int32Array(pairs);
    for (let i = 0; i < pairs; i++) {
      const even = this.#rotated(channels[2 * i] ?? 0);
      const odd = this.#rotated(channels[2 * i + 1] ?? 0);
      if (even === undefined || odd === undefined || even.angle !== odd.angle) return undefined;
      if (odd.sin !== even.cos || odd.cos !== this.#e.scale(even.sin, -1)) return undefined;
      inner.set([even.cos, odd.cos], 2 * i);
      angles[i] = even.angle;
    }
    const period = periodOf(angles);
    const table = this.#ropeTable(angles.subarray(0, period), tokens);
    const x = table === undefined ? undefined : this.build(inner, tokens);
    if (table === undefined || x === undefined) return undefined;
    const rows = this.#rewriter.reshape(x, [1, tokens, channels.length]);
    const attrs = { headDim: 2 * period };
    return this.#rewriter.emit({ op: "rope", inputs: [rows, ...table], attrs }, [1, tokens, channels.length]);
  }

  /** Factors of cos θ and sin θ in a sum of the two. */
  #rotated(c: Expr): { readonly angle: Expr; readonly cos: Expr; readonly sin: Expr } | undefined {
    let angle: Expr | undefined;
    const found = new Map<"cos" | "sin", Expr>();
    for (const term of this.#e.terms(c)) {
      const at = term.atoms.findIndex((a) => this.#isTrig(a));
      const trig = at < 0 ? undefined : this.#e.atom(term.atoms[at] ?? 0);
      if (trig?.kind !== "cos" && trig?.kind !== "sin") return undefined;
      if (found.has(trig.kind) || (angle !== undefined && angle !== trig.of)) return undefined;
      angle = trig.of;
      const rest = term.atoms.filter((_, i) => i !== at);
      found.set(trig.kind, this.#e.of([{ factor: term.factor, atoms: rest }]));
    }
    const [cos, sin] = [found.get("cos"), found.get("sin")];
    return angle === undefined || cos === undefined || sin === undefined ? undefined : { angle, cos, sin };
  }

  /** cos and sin [T, D/2] for angles id·frequency. */
  #ropeTable(angles: Int32Array, tokens: Dim): readonly [ValueId, ValueId] | undefined {
    let ids: ValueId | undefined;
    const entries: { axis: number; frequency: number }[] = [];
    for (const angle of angles) {
      const factor = this.#multiple(angle);
      if (factor === undefined || (ids !== undefined && ids !== factor.root)) return undefined;
      ids = factor.root;
      entries.push({ axis: factor.channel, frequency: factor.factor });
    }
    const shape = ids === undefined ? undefined : this.#rewriter.shape(ids);
    const fit = fitRopeTable(entries, Number(shape?.at(-1)));
    if (ids === undefined || fit === undefined || shape?.at(-2) !== tokens) return undefined;
    const type = { dtype: "f32", shape: [tokens, angles.length] } as const;
    const [cos, sin] = this.#rewriter.emitMany({ op: "rope-table", inputs: [ids], attrs: fit }, [type, type]);
    return cos === undefined || sin === undefined ? undefined : [cos, sin];
  }

  /** factor·leaf */
  #multiple(e: Expr) {
    const [term, ...rest] = this.#e.terms(e);
    if (term === undefined || rest.length > 0 || term.atoms.length !== 1) return undefined;
    const atom = this.#e.atom(term.atoms[0] ?? 0);
    return atom.kind === "leaf" ? { root: atom.root, channel: atom.channel, factor: term.factor } : undefined;
  }

  #sinusoid(channels: Int32Array): ValueId | undefined {
    const entries: { readonly sin: boolean; readonly frequency: number }[] = [];
    let t: ValueId | undefined;
    for (const c of channels) {
      const atom = this.#only(c);
      const angle = atom.kind === "cos" || atom.kind === "sin" ? this.#multiple(atom.of) : undefined;
      if (angle === undefined || angle.channel !== 0 || (t !== undefined && t !== angle.root))
        return undefined;
      t = angle.root;
      entries.push({ sin: atom.kind === "sin", frequency: angle.factor });
    }
    const shape = t === undefined ? undefined : this.#rewriter.shape(t);
    const fit = fitSinusoid(entries);
    if (t === undefined || shape === undefined || fit === undefined) return undefined;
    if (shape.length > 1 && shape.at(-1) !== 1) return undefined;
    const rows = shape.length === 1 ? (shape[0] ?? 1) : (shape.at(-2) ?? 1);
    const input = this.#rewriter.reshape(t, [rows]);
    return this.#rewriter.emit({ op: "timestep-embedding", inputs: [input], attrs: fit }, [rows, fit.dim]);
  }
}

/** The smallest p that divides the length with list[i] = list[i mod p]. */
function periodOf(list: Int32Array): number {
  for (let p = 1; p < list.length; p++) {
    if (list.length % p === 0 && list.every((v, i) => v === list[i % p])) return p;
  }
  return list.length;
}

/** What exports multiply queries and keys by, √(1/√width) rounded to floats, is 1/√width for the two together. */
function usualScale(scale: number, width: number): number {
  const usual = 1 / Math.sqrt(width);
  return Math.abs(scale / usual - 1) < 1e-6 ? usual : scale;
}
