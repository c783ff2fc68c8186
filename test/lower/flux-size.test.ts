/**
 * A double and a single block of FLUX.1-dev's size, lowered for browsers at their default limits; weights are never
 * read.
 */

import { describe, expect, it } from "vitest";
import { type LoweredProgram, lower } from "../../compiler/lower/index.js";
import type { PassOptions } from "../../compiler/pass.js";
import { BACK_PASSES } from "../../compiler/passes/index.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import { TritcError } from "../../ir/errors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { launchesThatRun } from "../../ir/program/phases.js";
import { verifyProgram } from "../../ir/program/verify.js";
import { webgpu } from "../../targets/index.js";
import { elementBytes } from "../../targets/memory/buffers.js";
import { expectToFit } from "../support/webgpu-limits.js";

const WIDTH = 3072;
const MLP = 4 * WIDTH;
const JOINT = "img_tokens+txt_tokens";
const HEADS = `{"heads": 24, "scale": 0.08838834764831845}`;

function linear(name: string, x: string, inner: number, outer: number, rows: string, role: string): string {
  return `const %${name}.w: f32[${outer}, ${inner}] = cast(bf16[${outer}, ${inner}] file("weights", 0, ${2 * inner * outer}))
    const %${name}.b: f32[${outer}] = cast(bf16[${outer}] file("weights", 0, ${2 * outer}))
    %${name}: f32[${rows}, ${outer}] = linear(%${x}, %${name}.w, %${name}.b) {"role": "${role}", "activation": "none", "gated": false}`;
}

/** Columns [start, start + length) of a value of rows. */
function part(name: string, of: string, rows: string, start: number, length: number): string {
  const axis = rows === "1" ? 1 : 2;
  return `%${name}: f32[${rows}, ${length}] = part(%${of}) {"axis": ${axis}, "start": ${start}, "length": ${length}}`;
}

function modulated(name: string, x: string, rows: string, shift: string, scale: string): string {
  return `%${name}.n: f32[${rows}, ${WIDTH}] = layer-norm(%${x}, _, _) {"axis": 2, "epsilon": 0.000001}
    %${name}: f32[${rows}, ${WIDTH}] = modulate(%${name}.n, %${shift}, %${scale})`;
}

/** q, k and v of normalized rows, and the MLP's input if it is computed beside them. */
function projections(p: string, role: string, rows: string, joint: boolean, mlp: boolean): string {
  const names = ["q", "k", "v", ...(mlp ? ["up"] : [])];
  const widths = names.map((name) => (name === "up" ? MLP : WIDTH));
  const lines = joint
    ? [
        linear(
          `${p}.all`,
          `${p}.m`,
          WIDTH,
          widths.reduce((a, b) => a + b),
          rows,
          `${role}.all`,
        ),
        ...names.map((name, i) => part(`${p}.${name}`, `${p}.all`, rows, i * WIDTH, widths[i] ?? 0)),
      ]
    : names.map((name, i) =>
        linear(`${p}.${name}`, `${p}.m`, WIDTH, widths[i] ?? 0, rows, `${role}.${name}`),
      );
  const norms = ["q", "k"].map(
    (name) =>
      `%${p}.${name}n: f32[${rows}, ${WIDTH}] = rms-norm(%${p}.${name}, %norm) {"axis": 2, "epsilon": 0.000001, "group": 128}`,
  );
  return [...lines, ...norms].join("\n");
}

function attention(p: string, q: string, k: string, v: string): string {
  const rope = (name: string, x: string) =>
    `%${p}.${name}r: f32[1, ${JOINT}, ${WIDTH}] = rope(%${x}, %cos, %sin) {"headDim": 128}`;
  return `${rope("q", q)}
    ${rope("k", k)}
    %${p}.a: f32[1, ${JOINT}, ${WIDTH}] = attention(%${p}.qr, %${p}.kr, %${v}) ${HEADS}`;
}

/** @param joint whether q, k, v (and the MLP's input) come from one linear, as in the original implementation */
function blocks(joint: boolean): Graph {
  const rows = { t: "1, txt_tokens", i: "1, img_tokens", s: `1, ${JOINT}` };
  const stream = (p: "t" | "i", name: string, x: string) => `
    ${linear(`${p}.mod`, "temb", WIDTH, 6 * WIDTH, "1", `double.0.${name}.modulation`)}
    ${[0, 1, 2, 3, 4, 5].map((i) => part(`${p}.mod${i}`, `${p}.mod`, "1", i * WIDTH, WIDTH)).join("\n")}
    ${modulated(`${p}.m`, x, rows[p], `${p}.mod0`, `${p}.mod1`)}
    ${projections(p, `double.0.${name}`, rows[p], joint, false)}`;
  const concat = (name: string) =>
    `%d.${name}: f32[${rows.s}, ${WIDTH}] = concat(%t.${name}, %i.${name}) {"axis": 1}`;
  const rest = (p: "t" | "i", name: string, x: string, start: string, length: string) => `
    %${p}.a: f32[${rows[p]}, ${WIDTH}] = part(%d.a) {"axis": 1, "start": ${start}, "length": "${length}"}
    ${linear(`${p}.o`, `${p}.a`, WIDTH, WIDTH, rows[p], `double.0.${name}.out`)}
    %${p}.x: f32[${rows[p]}, ${WIDTH}] = gated-residual(%${x}, %${p}.mod2, %${p}.o)
    ${modulated(`${p}.mm`, `${p}.x`, rows[p], `${p}.mod3`, `${p}.mod4`)}
    ${linear(`${p}.up`, `${p}.mm`, WIDTH, MLP, rows[p], `double.0.${name}.mlp.up`)}
    %${p}.g: f32[${rows[p]}, ${MLP}] = gelu(%${p}.up) {"approximate": "tanh"}
    ${linear(`${p}.down`, `${p}.g`, MLP, WIDTH, rows[p], `double.0.${name}.mlp.down`)}
    %${p}.y: f32[${rows[p]}, ${WIDTH}] = gated-residual(%${p}.x, %${p}.mod5, %${p}.down)`;
  return parseGraph(`graph "two blocks" {
    input %txt: f32[${rows.t}, ${WIDTH}]
    input %img: f32[${rows.i}, ${WIDTH}]
    input %temb: f32[1, ${WIDTH}]
    input %cos: f32[${JOINT}, 64]
    input %sin: f32[${JOINT}, 64]
    const %norm: f32[128] = fill(1)
    ${stream("t", "txt", "txt")}
    ${stream("i", "img", "img")}
    ${["qn", "kn", "v"].map(concat).join("\n")}
    ${attention("d", "d.qn", "d.kn", "d.v")}
    ${rest("t", "txt", "txt", "0", "txt_tokens")}
    ${rest("i", "img", "img", `"txt_tokens"`, "img_tokens")}
    %x: f32[${rows.s}, ${WIDTH}] = concat(%t.y, %i.y) {"axis": 1}
    ${linear("s.mod", "temb", WIDTH, 3 * WIDTH, "1", "single.0.modulation")}
    ${[0, 1, 2].map((i) => part(`s.mod${i}`, "s.mod", "1", i * WIDTH, WIDTH)).join("\n")}
    ${modulated("s.m", "x", rows.s, "s.mod0", "s.mod1")}
    ${projections("s", "single.0", rows.s, joint, true)}
    %act: f32[${rows.s}, ${MLP}] = gelu(%s.up) {"approximate": "tanh"}
    ${attention("s", "s.qn", "s.kn", "s.v")}
    %c: f32[${rows.s}, ${WIDTH + MLP}] = concat(%s.a, %act) {"axis": 2}
    ${linear("out", "c", WIDTH + MLP, WIDTH, rows.s, "single.0.out")}
    %y: f32[${rows.s}, ${WIDTH}] = gated-residual(%x, %s.mod2, %out)
    output %y
  }`);
}

const reader = {
  read(): Uint8Array {
    throw new Error("lowering reads no weights");
  },
};

const sizesOf = (side: number) => ({ img_tokens: (side / 16) ** 2, txt_tokens: 512 });
const graphs = { apart: blocks(false), joint: blocks(true) };
type Style = keyof typeof graphs;

function lowered(style: Style, ternarize: "exact" | "none", side: number): LoweredProgram {
  const sizes = sizesOf(side);
  const activations = ternarize === "none" ? "f32" : "int8";
  const options: PassOptions = { ternarize, activations, bindings: {}, sizes, limits: webgpu.limits };
  const graph = runPasses(graphs[style], BACK_PASSES, { reader, options }, {});
  return lower(graph, { target: webgpu, sizes, batchAxes: new Map() });
}

/** Bytes of the buffer behind each argument of a family's launches that is read as a whole. */
function wholeReads({ program }: LoweredProgram, family: string, side: number): readonly number[] {
  const kernels = new Map(program.kernels.map((kernel) => [kernel.id, kernel]));
  return launchesThatRun(program, "step").flatMap(({ kernel: id, args }) => {
    const kernel = kernels.get(id);
    if (kernel?.family !== family) return [];
    return args.flatMap((arg, i) => {
      const buffer = program.buffers.find((b) => b.id === arg.buffer);
      if (buffer === undefined || kernel.args[i]?.byRow !== false) return [];
      return [elementBytes(buffer, sizesOf(side))];
    });
  });
}

function errorOf(run: () => unknown): TritcError {
  try {
    run();
  } catch (error) {
    if (error instanceof TritcError) return error;
    throw error;
  }
  throw new Error("it compiles");
}

describe.each(["apart", "joint"] as const)("FLUX-size blocks, projections %s", (style) => {
  it.each([
    ["exact", 512],
    ["exact", 544],
    ["exact", 1024],
    ["none", 512],
    ["none", 768],
  ] as const)("fit the default limits of WebGPU, ternarize %s at side %i", (ternarize, side) => {
    const result = lowered(style, ternarize, side);
    expectToFit(result, sizesOf(side));
    verifyProgram(result.program);
  });

  it("quantizes the rows of attention and MLP from where they lie at 1024x1024", () => {
    const result = lowered(style, "exact", 1024);
    const { kernels, buffers } = result.program;
    expect(buffers.map(({ id }) => id)).not.toContain("c");
    const parts = kernels.flatMap(({ family, params }) => (family === "quantize-rows" ? [params.parts] : []));
    expect(parts).toContainEqual([WIDTH, MLP]);
    const keysAndValues = wholeReads(result, "attention", 1024);
    expect(keysAndValues).toEqual(new Array(4).fill(4608 * WIDTH * 4));
  });

  it("joins q, k and v where they fit", () => {
    const { program } = lowered(style, "exact", 512);
    expect(program.buffers.map(({ id }) => id)).toContain("c");
    expect(program.kernels.every(({ params }) => params.parts === undefined)).toBe(true);
    const wide = program.kernels.filter(
      ({ family, params }) => family === "ternary-gemm" && Number(params.n) >= 3 * WIDTH,
    );
    expect(wide.length).toBeGreaterThan(0);
  });

  it.each([
    ["exact", 2048],
    ["none", 1024],
  ] as const)(
    "names the tensor that is too large and the size that fits, ternarize %s",
    (ternarize, side) => {
      const error = errorOf(() => lowered(style, ternarize, side));
      expect(error.code).toBe("TRITC_E_BUFFER_LIMIT");
      const fits = Number(/--resolution (\d+)x/.exec(error.message)?.[1]);
      expect(error.message).toMatch(/^\S+: .*\n {2}expected: at most \d+ bytes\n {2}found: {4}\d+ bytes/);
      expectToFit(lowered(style, ternarize, fits), sizesOf(fits));
      expect(errorOf(() => lowered(style, ternarize, fits + 16)).code).toBe("TRITC_E_BUFFER_LIMIT");
    },
  );
});

it("cuts the f32 weights that one binding cannot hold", () => {
  const { tensors } = lowered("apart", "none", 512);
  const up = tensors.filter((t) => t.name.startsWith("single.0.up"));
  const matrices = up.filter((t) => t.shape.length === 2);
  expect(matrices.length).toBeGreaterThan(1);
  expect(matrices.reduce((sum, t) => sum + (t.shape[0] ?? 0), 0)).toBe(MLP);
  expect(matrices.every((t) => t.dtype === "bf16")).toBe(true);
});
