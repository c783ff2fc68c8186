import type { Activations } from "../../targets/target.js";

/** A part of FLUX.1-dev whose time and numbers are worth knowing by themselves. */
export interface GpuCase {
  readonly name: string;
  readonly activations: Activations;
  /** The graph that is compiled; its inputs are random. */
  readonly graph: string;
  /** Sizes to measure at. */
  readonly sizes: readonly Readonly<Record<string, number>>[];
  /** The symbol of inputs whose rows do not mix: a few rows alone give the same results in the interpreter. */
  readonly rows: string;
  /** The family whose launches are timed. */
  readonly family: string;
  /** Floating point (or integer) operations of these launches. */
  readonly operations: (sizes: Readonly<Record<string, number>>) => number;
  /** The peer's measurement of the same: its name in `peers.py`. */
  readonly peer: (sizes: Readonly<Record<string, number>>) => string;
}

const WIDTH = 3072;
const HEADS = 24;
const TOKENS = [4096, 4608];

/** The linears of FLUX.1-dev that take most of the time: q, k, v; the single block's first and second; the MLP's. */
const LINEARS: readonly (readonly [k: number, n: number])[] = [
  [WIDTH, 3 * WIDTH],
  [WIDTH, 7 * WIDTH],
  [5 * WIDTH, WIDTH],
  [4 * WIDTH, WIDTH],
];

export function linearCase(k: number, n: number, activations: Activations): GpuCase {
  return {
    name: `linear ${k}→${n}, W1.58A${activations === "int8" ? 8 : 16}`,
    activations,
    // The norm behind it lets the result lie in bf16, as it does in the model.
    graph: `graph "linear" {
  input %x: f32[1, m, ${k}]
  const %w: i8[${n}, ${k}] = cast(i32[${n}, ${k}] file("codes", 0, ${4 * n * k}))
  const %s: f32[${n}] = file("scales", 0, ${4 * n})
  const %b: f32[${n}] = file("bias", 0, ${4 * n})
  %y: f32[1, m, ${n}] = ternary-linear(%x, %w, %s, %b) {"role": "linear", "activation": "none", "gated": false, "quantized": false}
  %z: f32[1, m, ${n}] = rms-norm(%y, _) {"axis": 2, "epsilon": 0.000001, "group": 128}
  output %z
}`,
    sizes: TOKENS.map((m) => ({ m })),
    rows: "m",
    family: "ternary-gemm",
    operations: ({ m = 0 }) => 2 * m * n * k,
    peer: ({ m }) => `linear ${m}x${k}x${n}`,
  };
}

export const ATTENTION: GpuCase = {
  name: `attention, ${HEADS} heads of 128`,
  activations: "int8",
  // Norms, so that q, k and v lie in bf16 as they do in the model.
  graph: `graph "attention" {
  input %a: f32[1, m, ${WIDTH}]
  input %b: f32[1, t, ${WIDTH}]
  input %c: f32[1, t, ${WIDTH}]
  %q: f32[1, m, ${WIDTH}] = rms-norm(%a, _) {"axis": 2, "epsilon": 0.000001, "group": 128}
  %k: f32[1, t, ${WIDTH}] = rms-norm(%b, _) {"axis": 2, "epsilon": 0.000001, "group": 128}
  %v: f32[1, t, ${WIDTH}] = rms-norm(%c, _) {"axis": 2, "epsilon": 0.000001, "group": 128}
  %o: f32[1, m, ${WIDTH}] = attention(%q, %k, %v) {"heads": ${HEADS}, "scale": 0.08838834764831845}
  %y: f32[1, m, ${WIDTH}] = gelu(%o) {"approximate": "tanh"}
  output %y
}`,
  sizes: [{ m: 4608, t: 4608 }],
  rows: "m",
  family: "attention",
  operations: ({ m = 0, t = 0 }) => 4 * m * t * WIDTH,
  peer: ({ t }) => `attention ${t}`,
};

const NORM: GpuCase = {
  name: "adaln and quantization",
  activations: "int8",
  graph: `graph "norm" {
  input %x: f32[1, m, ${WIDTH}]
  input %shift: f32[1, ${WIDTH}]
  input %scale: f32[1, ${WIDTH}]
  const %w: i8[256, ${WIDTH}] = cast(i32[256, ${WIDTH}] file("codes", 0, ${4 * 256 * WIDTH}))
  const %s: f32[256] = file("scales", 0, ${4 * 256})
  %n: f32[1, m, ${WIDTH}] = adaln(%x, %shift, %scale) {"epsilon": 0.000001}
  %y: f32[1, m, 256] = ternary-linear(%n, %w, %s, _) {"role": "linear", "activation": "none", "gated": false, "quantized": false}
  output %y
}`,
  sizes: [{ m: 4608 }],
  rows: "m",
  family: "adaln-quantize",
  // Bandwidth-bound: what counts is that it is little beside the linears.
  operations: ({ m = 0 }) => 10 * m * WIDTH,
  peer: () => "",
};

export const CASES: readonly GpuCase[] = [
  ...LINEARS.flatMap(([k, n]) => [linearCase(k, n, "int8"), linearCase(k, n, "bf16")]),
  ATTENTION,
  NORM,
];
