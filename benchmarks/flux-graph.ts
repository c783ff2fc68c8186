import type { PassContext } from "../compiler/pass.js";
import { UNLIMITED } from "../compiler/pass.js";
import { runPasses } from "../compiler/passes/run-passes.js";
import { describeModel } from "../compiler/recognize/describe-model.js";
import type { Graph } from "../ir/graph/graph.js";
import { parseGraph } from "../ir/graph/parse.js";

/** Sizes of a FLUX transformer. */
export interface FluxSizes {
  readonly doubleBlocks: number;
  readonly singleBlocks: number;
  readonly heads: number;
  readonly headDim: number;
  readonly contextDim: number;
  readonly pooledDim: number;
  readonly ropeAxes: readonly number[];
}

/** FLUX.1-dev. */
export const FLUX_DEV: FluxSizes = {
  doubleBlocks: 19,
  singleBlocks: 38,
  heads: 24,
  headDim: 128,
  contextDim: 4096,
  pooledDim: 768,
  ropeAxes: [16, 56, 56],
};

/** One block of each kind: every kernel of FLUX.1-dev. */
export const FLUX_DEV_KERNELS: FluxSizes = { ...FLUX_DEV, doubleBlocks: 1, singleBlocks: 1 };

/**
 * A FLUX transformer as the recognizers leave it: bf16 weights at offsets of a file `weights`, which has no bytes
 * until a reader gives them.
 */
export function fluxGraph(sizes: FluxSizes): Graph {
  return runPasses(parseGraph(new FluxText(sizes).build()), [describeModel], CONTEXT);
}

const CONTEXT: PassContext = {
  reader: {
    read() {
      throw new Error("describing a model reads no weights");
    },
  },
  options: { ternarize: "none", activations: "f32", bindings: {}, sizes: {}, limits: UNLIMITED },
};

const JOINT = "img_tokens+txt_tokens";

class FluxText {
  readonly #sizes: FluxSizes;
  readonly #hidden: number;
  readonly #lines: string[] = [];
  #offset = 0;

  constructor(sizes: FluxSizes) {
    this.#sizes = sizes;
    this.#hidden = sizes.heads * sizes.headDim;
  }

  build(): string {
    const { doubleBlocks, singleBlocks, contextDim, pooledDim, ropeAxes, headDim } = this.#sizes;
    const hidden = this.#hidden;
    this.#add("input %latents: f32[1, img_tokens, 64]");
    this.#add(`input %context: f32[1, txt_tokens, ${contextDim}]`);
    this.#add(`input %pooled: f32[1, ${pooledDim}]`);
    for (const name of ["timestep", "guidance"]) this.#add(`input %${name}: f32[1]`);
    for (const name of ["img", "txt"]) this.#add(`input %${name}_ids: f32[${name}_tokens, 3]`);
    this.#add(`const %norm: f32[${headDim}] = fill(1)`);
    this.#linear("img.0", "latents", 64, hidden, "1, img_tokens", "x_embedder");
    this.#linear("txt.0", "context", contextDim, hidden, "1, txt_tokens", "context_embedder");
    this.#embedder("time", this.#frequencies("time", "timestep"), 256);
    this.#embedder("guided", this.#frequencies("guided", "guidance"), 256);
    this.#embedder("vector", "pooled", pooledDim);
    this.#node("sum.0", `1, ${hidden}`, 'binary(%time.1, %guided.1) {"fn": "add"}');
    this.#node("sum", `1, ${hidden}`, 'binary(%sum.0, %vector.1) {"fn": "add"}');
    this.#node("temb", `1, ${hidden}`, "silu(%sum)");
    this.#node("ids", `${JOINT}, 3`, 'concat(%txt_ids, %img_ids) {"axis": 0}');
    const table = `f32[${JOINT}, ${headDim / 2}]`;
    this.#add(
      `%cos: ${table}, %sin: ${table} = rope-table(%ids) {"axesDims": [${ropeAxes}], "theta": 10000, "frequencies": null}`,
    );
    for (let i = 0; i < doubleBlocks; i++) this.#double(i);
    this.#node(
      "x.0",
      `1, ${JOINT}, ${hidden}`,
      `concat(%txt.${doubleBlocks}, %img.${doubleBlocks}) {"axis": 1}`,
    );
    for (let i = 0; i < singleBlocks; i++) this.#single(i);
    const rows = "1, img_tokens";
    const image = '{"axis": 1, "start": "txt_tokens", "length": "img_tokens"}';
    this.#node("last", `${rows}, ${hidden}`, `part(%x.${singleBlocks}) ${image}`);
    const [scale, shift] = this.#modulation("out", "norm_out", 2);
    this.#modulated("final", "last", rows, shift ?? "", scale ?? "");
    this.#linear("velocity", "final", hidden, 64, rows, "proj_out");
    return `graph "flux" {\n${this.#lines.map((line) => `  ${line}`).join("\n")}\n  output %velocity\n}`;
  }

  #add(line: string): void {
    this.#lines.push(line);
  }

  #node(name: string, shape: string, expression: string): string {
    this.#add(`%${name}: f32[${shape}] = ${expression}`);
    return name;
  }

  /** A constant of bf16 elements at the next place of the file. */
  #constant(name: string, shape: readonly number[]): void {
    const type = `[${shape.join(", ")}]`;
    const bytes = 2 * shape.reduce((a, b) => a * b);
    this.#add(`const %${name}: f32${type} = cast(bf16${type} file("weights", ${this.#offset}, ${bytes}))`);
    this.#offset += bytes;
  }

  #linear(name: string, x: string, inner: number, outer: number, rows: string, role: string): string {
    this.#constant(`${name}.w`, [outer, inner]);
    this.#constant(`${name}.b`, [outer]);
    const attributes = `{"role": "${role}", "activation": "none", "gated": false}`;
    return this.#node(name, `${rows}, ${outer}`, `linear(%${x}, %${name}.w, %${name}.b) ${attributes}`);
  }

  #frequencies(name: string, of: string): string {
    const attributes =
      '{"dim": 256, "factor": 1000, "maxPeriod": 10000, "shift": 0, "sinFirst": false, "frequencies": null}';
    return this.#node(`${name}.f`, "1, 256", `timestep-embedding(%${of}) ${attributes}`);
  }

  #embedder(name: string, x: string, inner: number): void {
    this.#linear(`${name}.0`, x, inner, this.#hidden, "1", `${name}_in.0`);
    this.#node(`${name}.a`, `1, ${this.#hidden}`, `silu(%${name}.0)`);
    this.#linear(`${name}.1`, `${name}.a`, this.#hidden, this.#hidden, "1", `${name}_in.1`);
  }

  #modulation(name: string, role: string, parts: number): readonly string[] {
    const hidden = this.#hidden;
    this.#linear(`${name}.mod`, "temb", hidden, parts * hidden, "1", `${role}.modulation`);
    return Array.from({ length: parts }, (_, i) =>
      this.#node(
        `${name}.mod${i}`,
        `1, ${hidden}`,
        `part(%${name}.mod) {"axis": 1, "start": ${i * hidden}, "length": ${hidden}}`,
      ),
    );
  }

  #modulated(name: string, x: string, rows: string, shift: string, scale: string): string {
    const shape = `${rows}, ${this.#hidden}`;
    this.#node(`${name}.n`, shape, `layer-norm(%${x}, _, _) {"axis": 2, "epsilon": 0.000001}`);
    return this.#node(name, shape, `modulate(%${name}.n, %${shift}, %${scale})`);
  }

  /** q and k normalized by head, and v. */
  #projections(name: string, x: string, rows: string, role: string): readonly [string, string, string] {
    const hidden = this.#hidden;
    const one = (p: string) => this.#linear(`${name}.${p}`, x, hidden, hidden, rows, `${role}.${p}`);
    const normalized = (p: string) =>
      this.#node(
        `${name}.${p}n`,
        `${rows}, ${hidden}`,
        `rms-norm(%${one(p)}, %norm) {"axis": 2, "epsilon": 0.000001, "group": ${this.#sizes.headDim}}`,
      );
    return [normalized("q"), normalized("k"), one("v")];
  }

  #attention(name: string, q: string, k: string, v: string): string {
    const { heads, headDim } = this.#sizes;
    const shape = `1, ${JOINT}, ${this.#hidden}`;
    for (const [p, x] of [
      ["qr", q],
      ["kr", k],
    ]) {
      this.#node(`${name}.${p}`, shape, `rope(%${x}, %cos, %sin) {"headDim": ${headDim}}`);
    }
    const attributes = `{"heads": ${heads}, "scale": ${1 / Math.sqrt(headDim)}}`;
    return this.#node(`${name}.a`, shape, `attention(%${name}.qr, %${name}.kr, %${v}) ${attributes}`);
  }

  #double(block: number): void {
    const d = `double.${block}`;
    const streams = (["txt", "img"] as const).map((stream) => {
      const name = `${d}.${stream}`;
      const rows = `1, ${stream}_tokens`;
      const mod = this.#modulation(name, name, 6);
      const x = this.#modulated(`${name}.m`, `${stream}.${block}`, rows, mod[0] ?? "", mod[1] ?? "");
      return { stream, name, rows, mod, parts: this.#projections(name, x, rows, name) };
    });
    const [q, k, v] = ([0, 1, 2] as const).map((i) => {
      const [text, image] = streams.map(({ parts }) => parts[i]);
      return this.#node(
        `${d}.c${i}`,
        `1, ${JOINT}, ${this.#hidden}`,
        `concat(%${text}, %${image}) {"axis": 1}`,
      );
    });
    const a = this.#attention(d, q ?? "", k ?? "", v ?? "");
    for (const { stream, name, rows, mod } of streams) {
      const start = stream === "txt" ? "0" : '"txt_tokens"';
      const shape = `${rows}, ${this.#hidden}`;
      this.#node(
        `${name}.p`,
        shape,
        `part(%${a}) {"axis": 1, "start": ${start}, "length": "${stream}_tokens"}`,
      );
      this.#linear(`${name}.o`, `${name}.p`, this.#hidden, this.#hidden, rows, `${name}.out`);
      this.#node(`${name}.x`, shape, `gated-residual(%${stream}.${block}, %${mod[2]}, %${name}.o)`);
      this.#modulated(`${name}.mm`, `${name}.x`, rows, mod[3] ?? "", mod[4] ?? "");
      this.#up(`${name}.up`, `${name}.mm`, rows, `${name}.mlp.up`);
      this.#linear(`${name}.d`, `${name}.up.g`, 4 * this.#hidden, this.#hidden, rows, `${name}.mlp.down`);
      this.#node(`${stream}.${block + 1}`, shape, `gated-residual(%${name}.x, %${mod[5]}, %${name}.d)`);
    }
  }

  #up(name: string, x: string, rows: string, role: string): string {
    this.#linear(name, x, this.#hidden, 4 * this.#hidden, rows, role);
    return this.#node(`${name}.g`, `${rows}, ${4 * this.#hidden}`, `gelu(%${name}) {"approximate": "tanh"}`);
  }

  #single(block: number): void {
    const name = `single.${block}`;
    const rows = `1, ${JOINT}`;
    const hidden = this.#hidden;
    const [shift, scale, gate] = this.#modulation(name, name, 3);
    const x = this.#modulated(`${name}.m`, `x.${block}`, rows, shift ?? "", scale ?? "");
    const [q, k, v] = this.#projections(name, x, rows, name);
    const up = this.#up(`${name}.up`, x, rows, `${name}.mlp.up`);
    const a = this.#attention(name, q, k, v);
    this.#node(`${name}.c`, `${rows}, ${5 * hidden}`, `concat(%${a}, %${up}) {"axis": 2}`);
    this.#linear(`${name}.o`, `${name}.c`, 5 * hidden, hidden, rows, `${name}.out`);
    this.#node(`x.${block + 1}`, `${rows}, ${hidden}`, `gated-residual(%x.${block}, %${gate}, %${name}.o)`);
  }
}
