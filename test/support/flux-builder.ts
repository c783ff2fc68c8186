import { countOf } from "../../ir/tensor.js";
import { FluxHeads, type RopeTable } from "./flux-heads.js";
import type { FluxInput, FluxSize, FluxStyle } from "./flux-style.js";
import type { Name } from "./flux-writer.js";
import { model, type OnnxTypeName, value } from "./onnx-builder.js";
import { normals } from "./random.js";

/**
 * Writes a FLUX transformer with random weights as an ONNX model in the style of some exporter. The same
 * sizes and seed give the same function in every style, up to the choice of GELU and rounding.
 */
export function buildFlux(style: FluxStyle, size: FluxSize, seed = 1): Uint8Array {
  return new FluxBuilder(style, size, seed).build();
}

/** Random inputs for a model of `buildFlux`. */
export function fluxInputs(
  style: FluxStyle,
  size: FluxSize,
  tokens: { readonly img: number; readonly txt: number },
  conditioning: { readonly timestep: number; readonly guidance: number } = { timestep: 0.875, guidance: 3.5 },
  seed = 7,
): Readonly<
  Record<string, { readonly type: OnnxTypeName; readonly dims: readonly number[]; readonly values: number[] }>
> {
  const random = normals(seed);
  const dense = (dims: readonly number[]) => ({
    type: "f32" as const,
    dims,
    values: Array.from({ length: countOf(dims) }, () => random()),
  });
  // Axes behind the third count the tokens.
  const ids = (rows: number[][]) => ({
    type: style.idType,
    dims: style.idRank === 2 ? [rows.length, size.axes.length] : [1, rows.length, size.axes.length],
    values: rows.flatMap((row, i) => size.axes.map((_, axis) => row[axis] ?? i)),
  });
  const make: Record<FluxInput, () => { type: OnnxTypeName; dims: readonly number[]; values: number[] }> = {
    latents: () => dense([1, tokens.img, size.inChannels]),
    context: () => dense([1, tokens.txt, size.contextDim]),
    pooled: () => dense([1, size.pooledDim]),
    timestep: () => ({ type: "f32", dims: [1], values: [conditioning.timestep] }),
    guidance: () => ({ type: "f32", dims: [1], values: [conditioning.guidance] }),
    "img-ids": () =>
      ids(Array.from({ length: tokens.img }, (_, i) => [0, Math.floor(i / 3) + 1, (i % 3) + 2])),
    // Not zeros, as they are in practice: zeros would hide mistakes.
    "txt-ids": () => ids(Array.from({ length: tokens.txt }, (_, i) => [i % 2, i, 1])),
  };
  const hidden = size.heads * size.axes.reduce((a, b) => a + b, 0);
  return Object.fromEntries([
    ...style.inputs
      .filter(([role]) => role !== "guidance" || style.guidance)
      .map(([role, name]) => [name, make[role]()] as const),
    ...residualInputs(style, size).map(
      ([name, count, stream]) =>
        [name, dense([...(count === undefined ? [] : [count]), 1, tokens[stream], hidden])] as const,
    ),
  ]);
}

/** Inputs of a ControlNet's residuals: the name, how many in one (on an axis of their own), the stream. */
function residualInputs(
  { residuals }: FluxStyle,
  { doubles, singles }: FluxSize,
): readonly (readonly [string, number | undefined, "img" | "txt"])[] {
  if (residuals === "none") return [];
  if (residuals === "stacked") return [["residuals", doubles + singles, "img"]];
  const each = Array.from(
    { length: doubles + singles },
    (_, i) => [`residual_${i}`, undefined, "img"] as const,
  );
  return residuals === "text" ? [...each, ["residual_txt", undefined, "txt"]] : each;
}

/** Blocks, inputs and outputs. */
export class FluxBuilder extends FluxHeads {
  double(img: Name, txt: Name, activated: Name, table: RopeTable): [Name, Name] {
    const rows = [this.modulation(activated, 6), this.modulation(activated, 6)] as const;
    const part = (s: 0 | 1, i: number) => rows[s][i] ?? "";
    const [qi, ki, vi] = this.projections(this.modulate(img, part(0, 0), part(0, 1)));
    const [qt, kt, vt] = this.projections(this.modulate(txt, part(1, 0), part(1, 1)));
    const joined = (a: Name, b: Name) => this.concat([a, b], this.tokenAxis);
    const y = this.attention(joined(qt, qi), joined(kt, ki), joined(vt, vi), table);
    const [yt, yi] = this.tokensOf(y, txt);
    const finish = (x: Name, s: 0 | 1, out: Name): Name => {
      const [attended, norm] = this.gatedNorm(x, part(s, 2), this.linear(out, this.hidden, this.hidden));
      const up = this.up(this.shifted(norm, part(s, 3), part(s, 4)));
      return this.gated(attended, part(s, 5), this.linear(up, this.size.mlp, this.hidden));
    };
    return [finish(img, 0, yi), finish(txt, 1, yt)];
  }

  /** The text and the image tokens of a joint sequence [B, S, C]. */
  tokensOf(x: Name, txt: Name): [Name, Name] {
    if (this.style.tokens === null) {
      const [a = "", b = ""] = this.split(x, [this.size.txt, this.size.img], 1);
      return [a, b];
    }
    const count = this.unsqueeze(this.dimOf(txt, 1), 0);
    const far = this.constant("i64", [1], [2 ** 53 - 1]);
    const axis = this.ints(1);
    return [this.op("Slice", [x, this.ints(0), count, axis]), this.op("Slice", [x, count, far, axis])];
  }

  singleBlock(x: Name, activated: Name, table: RopeTable): Name {
    const [shift = "", scale = "", gate = ""] = this.modulation(activated, 3);
    const normalized = this.modulate(x, shift, scale);
    let up: Name;
    let heads: [Name, Name, Name];
    if (this.style.gelu === "contrib-bias") {
      up = this.up(normalized);
      heads = this.projections(normalized);
    } else if (this.style.single === "linear1-parts") {
      const all = this.linear(normalized, this.hidden, 3 * this.hidden + this.size.mlp);
      const parts = this.split(all, [this.hidden, this.hidden, this.hidden, this.size.mlp], 2);
      const [q = "", k = "", v = ""] = parts.slice(0, 3).map((p) => this.splitHeads(p));
      up = this.gelu(parts[3] ?? "");
      heads = [this.rmsNorm(q, this.headDim), this.rmsNorm(k, this.headDim), v];
    } else if (this.style.single === "linear1") {
      const all = this.linear(normalized, this.hidden, 3 * this.hidden + this.size.mlp);
      const [qkv = "", mlp = ""] = this.split(all, [3 * this.hidden, this.size.mlp], 2);
      up = this.gelu(mlp);
      const [q = "", k = "", v = ""] = this.unpack(
        this.reshape(qkv, this.ints(0, 0, 3, this.size.heads, this.headDim)),
      );
      heads = [this.rmsNorm(q, this.headDim), this.rmsNorm(k, this.headDim), v];
    } else {
      up = this.up(normalized);
      heads = this.projections(normalized);
    }
    const y = this.attention(...heads, table);
    const wide = this.concat([y, up], 2);
    return this.gated(x, gate, this.linear(wide, this.hidden + this.size.mlp, this.hidden));
  }

  /** A shape with its axes named as the style has it. */
  named(input: Name, shape: readonly (number | string)[]): (number | string | null)[] | undefined {
    const { axes } = this.style;
    const name = (dim: string, axis: number) => {
      if (axes === "own") return `${input}_dynamic_axes_${axis + 1}`;
      return axes === "unnamed" ? null : dim;
    };
    // How many numbers a position id has, nothing but its shape says.
    if (axes === "no-shape" && shape.at(-1) !== this.size.axes.length) return undefined;
    return shape.map((dim, axis) => (typeof dim === "string" ? name(dim, axis) : dim));
  }

  /** The image stream behind block `i` with what a ControlNet adds there. */
  withResidual(img: Name, i: number): Name {
    switch (this.style.residuals) {
      case "none":
        return img;
      case "stacked":
        return this.add(
          img,
          this.op("Gather", ["residuals", this.constant("i64", [], [i])], { axis: { i: 0 } }),
        );
      case "scaled":
        return this.add(this.mul(`residual_${i}`, this.f(0.5)), img);
      default:
        return this.add(img, `residual_${i}`);
    }
  }

  build(): Uint8Array {
    const { style, size } = this;
    const names = new Map(style.inputs);
    const input = (role: FluxInput): Name => names.get(role) ?? "";
    let img = this.linear(input("latents"), size.inChannels, this.hidden);
    let txt = this.linear(input("context"), size.contextDim, this.hidden);
    const activated = this.silu(this.conditioning(input));
    const table = this.ropeTable(input("img-ids"), input("txt-ids"));
    for (let i = 0; i < size.doubles; i++) {
      [img, txt] = this.double(img, txt, activated, table);
      img = this.withResidual(img, i);
    }
    if (style.residuals === "text") txt = this.add(txt, "residual_txt");
    const first = txt;
    let joint = this.concat([txt, img], 1);
    for (let i = 0; i < size.singles; i++) {
      joint = this.singleBlock(joint, activated, table);
      const last = i === size.singles - 1;
      if (style.residuals === "none" && (style.singleTokens !== "split" || last)) continue;
      const [text, image] = this.tokensOf(joint, first);
      joint = this.concat([text, this.withResidual(image, size.doubles + i)], 1);
    }
    const [, tokens] = this.tokensOf(joint, first);
    const [scale = "", shift = ""] = this.modulation(activated, 2);
    const result = this.linear(this.modulate(tokens, shift, scale), this.hidden, size.outChannels);
    const { tokens: symbols, batch } = style;
    const dims: Record<FluxInput, (number | string)[]> = {
      latents: [batch ?? 1, symbols?.img ?? size.img, size.inChannels],
      context: [batch ?? 1, symbols?.txt ?? size.txt, size.contextDim],
      pooled: [batch ?? 1, size.pooledDim],
      timestep: [batch ?? 1],
      guidance: [batch ?? 1],
      "img-ids": [symbols?.imgIds ?? size.img, size.axes.length],
      "txt-ids": [symbols?.txtIds ?? size.txt, size.axes.length],
    };
    const inputs = style.inputs
      .filter(([role]) => role !== "guidance" || style.guidance)
      .map(([role, name]) => {
        const isIds = role === "img-ids" || role === "txt-ids";
        const shape = isIds && style.idRank === 3 ? [batch ?? 1, ...dims[role]] : dims[role];
        return value(name, isIds ? style.idType : "f32", this.named(name, shape));
      });
    for (const [name, count, stream] of residualInputs(style, size)) {
      const shape = [
        ...(count === undefined ? [] : [count]),
        ...dims[stream === "img" ? "latents" : "context"],
      ];
      inputs.push(value(name, "f32", this.named(name, shape.with(-1, this.hidden))));
    }
    const last = this.nodes.find((n) => n.output?.includes(result));
    if (last?.output != null) last.output = last.output.map((o) => (o === result ? style.output : o));
    const outputs = [value(style.output, "f32", [batch ?? 1, symbols?.img ?? size.img, size.outChannels])];
    return model(
      { inputs, outputs, nodes: this.nodes, initializers: this.initializers },
      { opset: style.opset, domains: style.domains },
    );
  }
}
