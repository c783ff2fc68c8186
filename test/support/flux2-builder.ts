import { FluxBuilder } from "./flux-builder.js";
import type { RopeTable } from "./flux-heads.js";
import { type FluxSize, type FluxStyle, STYLES, TINY } from "./flux-style.js";
import type { Name } from "./flux-writer.js";

/** What an exporter may write in FLUX.2 in several ways, besides what a style has. */
export interface Flux2Style extends FluxStyle {
  /** The tables of text and image are made apart and joined, as Diffusers has it, or made of joined ids. */
  readonly tables: "apart" | "joint";
  /** All of a single block's first linears as one, or each for itself. */
  readonly single: "linear1" | "linear1-parts" | "separate";
  /** silu(gate)·value or value·silu(gate). */
  readonly product: "gate-first" | "value-first";
}

/** A FLUX.2 as `buildFlux` writes FLUX.1: no biases, shared modulation, SwiGLU, no pooled text. */
export function buildFlux2(style: Flux2Style, size: FluxSize, seed = 1): Uint8Array {
  return new Flux2Builder(style, size, seed).build();
}

export const TINY2: FluxSize = {
  ...TINY,
  axes: [4, 4, 4, 4],
  inChannels: 8,
  outChannels: 8,
  doubles: 2,
  theta: 2000,
};

const inputs = (style: FluxStyle) => style.inputs.filter(([role]) => role !== "pooled");

const DIFFUSERS = {
  tables: "apart",
  single: "linear1-parts",
  product: "gate-first",
  guidance: false,
} as const;
const ORIGINAL = { tables: "apart", single: "linear1", product: "value-first", guidance: true } as const;

/** The exporter styles that FLUX.2 is met in, and some more. */
export const STYLES2: Readonly<Record<string, Flux2Style>> = Object.fromEntries(
  (
    [
      ["torchscript", DIFFUSERS],
      ["dynamo opset 20", DIFFUSERS],
      ["dynamo opset 23", { ...DIFFUSERS, tables: "joint" }],
      ["original implementation", ORIGINAL],
      ["bf16 weights, TensorRT demo", { ...DIFFUSERS, guidance: true }],
      ["f16 weights, static, flat heads, sine first", { ...ORIGINAL, single: "separate" }],
      ["every axis named for itself", DIFFUSERS],
    ] as const
  ).map(([name, more]) => {
    const style = STYLES[name] as FluxStyle;
    return [name, { ...style, inputs: inputs(style), ...more }];
  }),
);

export class Flux2Builder extends FluxBuilder {
  readonly #style: Flux2Style;
  readonly #modulations = new Map<string, Name[]>();
  #doubleRows = 0;

  constructor(style: Flux2Style, size: FluxSize, seed: number) {
    super(style, size, seed);
    this.#style = style;
  }

  override linear(x: Name, inputs: number, outputs: number): Name {
    const weight = this.matrix(outputs, inputs);
    if (this.style.linear === "gemm-flat") {
      const flat = this.reshape(x, this.ints(-1, inputs));
      const y = this.op("Gemm", [flat, weight(false)], { transB: { i: 1 } });
      const shape = this.concat([this.op("Shape", [x], { end: { i: 2 } }), this.ints(outputs)], 0);
      return this.reshape(y, shape);
    }
    const turned = this.style.linear === "transposed" ? this.transpose(weight(false), 1, 0) : weight(true);
    return this.op("MatMul", [x, turned]);
  }

  override vector(x: Name, inputs: number, outputs: number): Name {
    const weight = this.matrix(outputs, inputs)(false);
    return this.style.vectorLinear === "gemm"
      ? this.op("Gemm", [x, weight], { transB: { i: 1 } })
      : this.op("MatMul", [x, this.transpose(weight, 1, 0)]);
  }

  override conditioning(input: (role: "timestep" | "guidance") => Name): Name {
    const embedded = (role: "timestep" | "guidance") =>
      this.embedder(this.sinusoid(input(role)), this.size.frequencies);
    return this.style.guidance ? this.add(embedded("timestep"), embedded("guidance")) : embedded("timestep");
  }

  /** One for the image and one for the text of all double blocks, one for all single blocks, one at the end. */
  override modulation(activated: Name, count: number): Name[] {
    const key = count === 6 ? `double ${this.#doubleRows++ % 2}` : `${count}`;
    const known = this.#modulations.get(key);
    if (known !== undefined) return known;
    const made = super.modulation(activated, count);
    this.#modulations.set(key, made);
    return made;
  }

  override up(x: Name): Name {
    return this.swiglu(this.linear(x, this.hidden, 2 * this.size.mlp));
  }

  swiglu(x: Name): Name {
    const { mlp } = this.size;
    const [gate = "", value = ""] = this.split(this.wide(x), [mlp, mlp], -1);
    const activated = this.silu(gate);
    return this.#style.product === "gate-first" ? this.mul(activated, value) : this.mul(value, activated);
  }

  override singleBlock(x: Name, activated: Name, table: RopeTable): Name {
    if (this.#style.single === "separate") return super.singleBlock(x, activated, table);
    const { hidden, headDim, size } = this;
    const [shift = "", scale = "", gate = ""] = this.modulation(activated, 3);
    const all = this.linear(this.modulate(x, shift, scale), hidden, 3 * hidden + 2 * size.mlp);
    const [qkv = "", mlp = ""] = this.split(all, [3 * hidden, 2 * size.mlp], 2);
    const [q = "", k = "", v = ""] =
      this.#style.single === "linear1"
        ? this.unpack(this.reshape(qkv, this.ints(0, 0, 3, size.heads, headDim)))
        : this.split(qkv, [hidden, hidden, hidden], -1).map((part) => this.splitHeads(part));
    const y = this.attention(this.rmsNorm(q, headDim), this.rmsNorm(k, headDim), v, table);
    const wide = this.concat([y, this.swiglu(mlp)], 2);
    return this.gated(x, gate, this.linear(wide, hidden + size.mlp, hidden));
  }

  override jointTable(ids: readonly Name[]): RopeTable {
    if (this.#style.tables === "joint") return super.jointTable(ids);
    const [first, second] = ids.map((given) => this.tableOf(given));
    if (first === undefined || second === undefined) throw new Error("two streams");
    const along = this.style.layout === "bhsd" ? 2 : 1;
    if ("matrices" in first && "matrices" in second)
      return { matrices: this.concat([first.matrices, second.matrices], along) };
    if ("matrices" in first || "matrices" in second) throw new Error("two forms");
    const axis = this.style.rotation === "operator" ? 1 : along;
    const joined = (of: "cos" | "sin") => this.concat([first[of], second[of]], axis);
    return { cos: joined("cos"), sin: joined("sin") };
  }
}
