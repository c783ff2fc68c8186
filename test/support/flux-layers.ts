import { roundToHalf } from "../../ir/constant/float16.js";
import type { FluxInput } from "./flux-style.js";
import { type Name, OnnxWriter } from "./flux-writer.js";
import { node } from "./onnx-builder.js";

/** Linears, norms, activations and conditioning in the style asked for. */
export class FluxLayers extends OnnxWriter {
  linear(x: Name, inputs: number, outputs: number): Name {
    const weight = this.matrix(outputs, inputs);
    const bias = () => this.weight([outputs], 0.1);
    switch (this.style.linear) {
      case "bias-first": {
        const b = bias();
        return this.add(b, this.op("MatMul", [x, weight(true)]));
      }
      case "bias-last": {
        const b = bias();
        return this.add(this.op("MatMul", [x, weight(true)]), b);
      }
      case "transposed": {
        const b = bias();
        return this.add(b, this.op("MatMul", [x, this.transpose(weight(false), 1, 0)]));
      }
      case "gemm-flat": {
        const b = bias();
        const flat = this.reshape(x, this.ints(-1, inputs));
        const y = this.op("Gemm", [flat, weight(false), b], { transB: { i: 1 } });
        const shape = this.concat([this.op("Shape", [x], { end: { i: 2 } }), this.ints(outputs)], 0);
        return this.reshape(y, shape);
      }
    }
  }

  /** A linear on [B, C]. */
  vector(x: Name, inputs: number, outputs: number): Name {
    const weight = this.matrix(outputs, inputs);
    const bias = this.weight([outputs], 0.1);
    if (this.style.vectorLinear === "gemm") {
      return this.op("Gemm", [x, weight(false), bias], { transB: { i: 1 } });
    }
    return this.add(this.op("MatMul", [x, this.transpose(weight(false), 1, 0)]), bias);
  }

  silu(x: Name): Name {
    if (this.style.silu === "sigmoid") return this.mul(x, this.op("Sigmoid", [x]));
    return this.op("Div", [x, this.add(this.f(1), this.op("Exp", [this.op("Neg", [x])]))]);
  }

  /** A value that went through double precision, where the style says so. */
  wide(x: Name): Name {
    return this.style.casts ? this.cast(this.cast(x, 11), 1) : x;
  }

  layerNorm(y: Name, width: number): Name {
    const { layerNorm } = this.style;
    const x = this.wide(y);
    const epsilon = 1e-6;
    if (layerNorm === "op" || layerNorm === "expand") {
      const rows = (v: number) =>
        layerNorm === "op"
          ? this.constant("f32", [width], new Array(width).fill(v))
          : this.op("Expand", [this.constant("f32", [1], [v]), this.ints(width)]);
      const attrs = { axis: { i: -1 }, epsilon: { f: epsilon } };
      return this.op("LayerNormalization", [x, rows(1), rows(0)], attrs);
    }
    const d = this.op("Sub", [x, this.mean(x)]);
    const squared = layerNorm === "plain-div" ? this.op("Pow", [d, this.f(2)]) : this.mul(d, d);
    const variance = this.add(this.mean(squared), this.f(epsilon));
    if (layerNorm === "plain-div") return this.op("Div", [d, this.op("Sqrt", [variance])]);
    if (layerNorm === "reciprocal") return this.mul(this.op("Reciprocal", [this.op("Sqrt", [variance])]), d);
    return this.mul(d, this.op("Pow", [variance, this.f(-0.5)]));
  }

  rmsNorm(y: Name, width: number): Name {
    const { rmsNorm } = this.style;
    const x = this.wide(y);
    const w = this.weight([width], 0.2, 1);
    const epsilon = 1e-6;
    if (rmsNorm === "op") {
      return this.op("RMSNormalization", [x, w], { axis: { i: -1 }, epsilon: { f: epsilon } });
    }
    if (rmsNorm === "contrib") {
      return this.op("SimplifiedLayerNormalization", [x, w], { axis: { i: -1 }, epsilon: { f: epsilon } });
    }
    const squared = rmsNorm === "div" ? this.mul(x, x) : this.op("Pow", [x, this.f(2)]);
    const variance = this.add(this.mean(squared), this.f(epsilon));
    if (rmsNorm === "power") return this.mul(w, this.mul(x, this.op("Pow", [variance, this.f(-0.5)])));
    const root = this.op("Sqrt", [variance]);
    if (rmsNorm === "div") return this.mul(this.op("Div", [x, root]), w);
    if (rmsNorm === "one-over") return this.mul(this.mul(x, this.op("Div", [this.f(1), root])), w);
    const inverse = this.op("Reciprocal", [root]);
    if (rmsNorm === "weight-inside") return this.mul(x, this.mul(inverse, w));
    return this.mul(w, this.mul(inverse, x));
  }

  gelu(x: Name): Name {
    const { gelu } = this.style;
    if (gelu === "op" || gelu === "op-erf") {
      return this.op("Gelu", [x], { approximate: { s: gelu === "op" ? "tanh" : "none" } });
    }
    if (gelu === "contrib-bias") throw new Error("the bias belongs to the operator");
    if (gelu === "contrib") return this.op("FastGelu", [x], {}, "com.microsoft");
    if (gelu === "erf") {
      const e = this.op("Erf", [this.op("Div", [x, this.f(Math.SQRT2)])]);
      return this.mul(this.mul(x, this.add(e, this.f(1))), this.f(0.5));
    }
    const cube = gelu === "power" ? this.op("Pow", [x, this.f(3)]) : this.mul(x, this.mul(x, x));
    const inner = this.mul(this.f(Math.sqrt(2 / Math.PI)), this.add(x, this.mul(this.f(0.044715), cube)));
    const one = this.add(this.f(1), this.op("Tanh", [inner]));
    if (gelu === "half-first") return this.mul(this.mul(this.f(0.5), x), one);
    return this.mul(this.f(0.5), this.mul(x, one));
  }

  /** gelu(linear(x)) */
  up(x: Name): Name {
    if (this.style.gelu !== "contrib-bias")
      return this.gelu(this.wide(this.linear(x, this.hidden, this.size.mlp)));
    const product = this.op("MatMul", [
      x,
      this.weight([this.hidden, this.size.mlp], 1 / Math.sqrt(this.hidden)),
    ]);
    return this.op("FastGelu", [product, this.weight([this.size.mlp], 0.1)], {}, "com.microsoft");
  }

  guard(x: Name): Name {
    if (!this.style.halfGuard) return x;
    return this.op("Clip", [x, this.f(-65504), this.f(65504)]);
  }

  // Conditioning.

  embedder(x: Name, inputs: number): Name {
    return this.vector(this.silu(this.vector(x, inputs, this.hidden)), this.hidden, this.hidden);
  }

  sinusoid(t: Name): Name {
    const half = this.size.frequencies / 2;
    const late = this.style.sinusoid === "factor-late";
    const round = this.style.table === "half" ? roundToHalf : (v: number) => v;
    const table = Array.from({ length: half }, (_, j) => round(Math.exp((-Math.log(10000) * j) / half)));
    const scaled = late || this.style.sinusoid === "outside" ? t : this.mul(t, this.f(1000));
    const rows = this.cast(this.unsqueeze(scaled, 1), 1);
    const freqs = this.constant("f32", [1, half], table);
    const product = this.mul(rows, freqs);
    const angles = late ? this.mul(this.f(1000), product) : product;
    const [cos, sin] = [this.op("Cos", [angles]), this.op("Sin", [angles])];
    if (this.style.sinusoid !== "sin-first") return this.concat([cos, sin], -1);
    return this.concat([sin, cos], 1);
  }

  conditioning(input: (role: FluxInput) => Name): Name {
    const time = this.embedder(this.sinusoid(input("timestep")), this.size.frequencies);
    const timed = this.style.guidance
      ? this.add(time, this.embedder(this.sinusoid(input("guidance")), this.size.frequencies))
      : time;
    return this.add(timed, this.embedder(input("pooled"), this.size.pooledDim));
  }

  /** Rows of the modulation of one stream: `count` parts of a linear, ready to broadcast over tokens. */
  modulation(activated: Name, count: number): Name[] {
    const { chunk, rowAxis } = this.style;
    const width = this.hidden;
    let whole = this.vector(activated, width, count * width);
    const axis = rowAxis === "before" ? 2 : 1;
    if (rowAxis === "before") whole = this.unsqueeze(whole, 1);
    let parts: Name[];
    if (chunk === "split") parts = this.split(whole, new Array(count).fill(width), axis);
    else if (chunk === "slice") {
      parts = Array.from({ length: count }, (_, i) => this.slice(whole, i * width, (i + 1) * width, axis));
    } else {
      const size = this.op("Gather", [this.op("Shape", [whole]), this.ints(axis)], { axis: { i: 0 } });
      const each = this.op("Div", [this.add(size, this.ints(count - 1)), this.ints(count)]);
      const bounds = Array.from({ length: count + 1 }, (_, i) => this.mul(each, this.ints(i)));
      parts = Array.from({ length: count }, (_, i) =>
        this.op("Slice", [whole, bounds[i] ?? "", bounds[i + 1] ?? "", this.ints(axis)]),
      );
    }
    return rowAxis === "before" ? parts : parts.map((p) => this.unsqueeze(p, 1));
  }

  modulate(x: Name, shift: Name, scale: Name): Name {
    return this.shifted(this.layerNorm(x, this.hidden), shift, scale);
  }

  shifted(y: Name, shift: Name, scale: Name): Name {
    switch (this.style.modulate) {
      case "plus-one":
        return this.add(this.mul(y, this.add(scale, this.f(1))), shift);
      case "one-plus":
        return this.add(shift, this.mul(this.add(this.f(1), scale), y));
      case "sum":
        return this.add(this.add(y, this.mul(y, scale)), shift);
    }
  }

  /** The gated sum and its normalization. */
  gatedNorm(residual: Name, gate: Name, y: Name): [Name, Name] {
    if (!this.style.skipNorm) {
      const sum = this.gated(residual, gate, y);
      return [sum, this.layerNorm(sum, this.hidden)];
    }
    const rows = (v: number) => this.constant("f32", [this.hidden], new Array(this.hidden).fill(v));
    const inputs = [this.mul(gate, y), residual, rows(1), rows(0)];
    const [norm, , , sum] = [0, 1, 2, 3].map(() => `v${this.counter++}`) as [Name, Name, Name, Name];
    const attrs = { epsilon: { f: 1e-6 } };
    this.nodes.push(
      node("SkipLayerNormalization", inputs, [norm, "", "", sum], attrs, { domain: "com.microsoft" }),
    );
    return [sum, norm];
  }

  gated(residual: Name, gate: Name, y: Name): Name {
    return this.guard(this.add(residual, this.mul(gate, y)));
  }
}
