import { describe, expect, it } from "vitest";
import type { Constant } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { printGraph } from "../../ir/graph/print.js";

const half: Constant = {
  dtype: "f16",
  shape: [4, 2],
  source: { kind: "file", file: 'we"ird\n.bin', offset: 8, length: 16 },
};
const inline = (dtype: Constant["dtype"], shape: number[], bytes: ArrayBufferLike): Constant => ({
  dtype,
  shape,
  source: { kind: "inline", bytes: new Uint8Array(bytes) },
});

const constants: readonly Constant[] = [
  half,
  inline("i64", [2], BigInt64Array.of(-1n, 2n ** 63n - 1n).buffer),
  inline("f32", [3], Float32Array.of(0.1, -2.5e-20, 3).buffer),
  inline("f32", [2], Float32Array.of(Number.NaN, -0).buffer),
  inline("bool", [3], Uint8Array.of(1, 0, 1).buffer),
  { dtype: "i64", shape: [2], source: { kind: "dims", dims: ["img_tokens+txt_tokens", 24] } },
  { dtype: "f32", shape: [5], source: { kind: "fill", value: -1.5 } },
  {
    dtype: "f32",
    shape: [2, 4],
    source: { kind: "transpose", of: { dtype: "f32", shape: [4, 2], source: { kind: "cast", of: half } } },
  },
  { dtype: "f16", shape: [8, 2], source: { kind: "concat", of: [half, half] } },
  { dtype: "f16", shape: [1, 2], source: { kind: "rows", of: half, start: 3 } },
  { dtype: "i8", shape: [4, 2], source: { kind: "ternary-codes", of: half, method: "exact" } },
  { dtype: "f32", shape: [4], source: { kind: "ternary-scales", of: half, method: "absmean" } },
  { dtype: "f16", shape: [4], source: { kind: "ternary-scales", of: half, method: "exact", group: 128 } },
  {
    dtype: "f16",
    shape: [2, 64],
    source: {
      kind: "affine",
      codes: inline("u8", [2, 24], new ArrayBuffer(48)),
      bits: 3,
      scales: inline("f16", [2, 2], new ArrayBuffer(8)),
      biases: inline("f16", [2, 2], new ArrayBuffer(8)),
    },
  },
  {
    dtype: "f16",
    shape: [1, 64],
    source: { kind: "blocks", format: "Q2_0", of: inline("u8", [1, 18], new ArrayBuffer(18)) },
  },
  {
    dtype: "f32",
    shape: [4, 2],
    source: {
      kind: "dequantize",
      codes: inline("i8", [4, 2], Int8Array.of(1, 0, -1, 1, 0, 0, 1, 1).buffer),
      scale: inline("f32", [4], Float32Array.of(1, 2, 3, 4).buffer),
      zeroPoint: null,
      axis: 0,
      blockSize: 0,
    },
  },
];

function graphOf(): Graph {
  const body: Graph = {
    name: "then",
    inputs: [],
    outputs: ["inner"],
    types: new Map([["inner", { dtype: "f32", shape: null }]]),
    constants: new Map(),
    nodes: [{ op: "unary", inputs: ["x"], outputs: ["inner"], attrs: { fn: "neg" } }],
  };
  return {
    name: 'a "graph"',
    inputs: ["x", "odd name\u001b[31m"],
    outputs: ["y/0", "z"],
    types: new Map<string, Graph["types"] extends ReadonlyMap<string, infer T> ? T : never>([
      ["x", { dtype: "f32", shape: [1, "img_tokens", 64] }],
      ["odd name\u001b[31m", { dtype: "bool", shape: [] }],
      ...constants.map((c, i) => [`c${i}`, { dtype: c.dtype, shape: c.shape }] as const),
      ["y/0", { dtype: "f32", shape: [1, "img_tokens", 4] }],
      ["z", { dtype: "f32", shape: null }],
    ]),
    constants: new Map(constants.map((c, i) => [`c${i}`, c])),
    nodes: [
      {
        op: "linear",
        inputs: ["x", "c7", null],
        outputs: ["y/0"],
        attrs: { role: null, activation: "none", gated: false },
      },
      {
        op: "if",
        inputs: ["odd name\u001b[31m"],
        outputs: ["z"],
        attrs: { thenBranch: body, elseBranch: body },
      },
    ],
  };
}

describe("graph text", () => {
  it("parses back to the same graph", () => {
    const graph = graphOf();
    const text = printGraph(graph);
    expect(parseGraph(text)).toEqual(graph);
    expect(printGraph(parseGraph(text))).toBe(text);
  });

  it.each([
    ["graph 1", /expected a quoted string/],
    ['graph "g" { output %a', /expected "}"/],
    ['graph "g" { input %a: f33[1] output %a }', /f33 is no element type/],
    ['graph "g" { input %a: f32[1] input %a: f32[1] output %a }', /defined twice/],
    ['graph "g" { %b: f32[1] = fly(%a) output %b }', /unknown operation fly/],
    ['graph "g" { %b: f32[1] = silu(%a) {"x": 1} output %b }', /silu has no attribute x/],
    ['graph "g" { %b: f32[1] = cast(%a) output %b }', /attribute to of cast/],
    ['graph "g" { const %c: f32[1] = magic(1) output %c }', /there is no constant source magic/],
    [
      'graph "g" { const %c: f32[1] = ternary-scales(f32[1, 1] [2], exact, 48) output %c }',
      /groups are of 32, 64, 128, 256 inputs/,
    ],
  ])("refuses %s", (text, message) => {
    expect(() => parseGraph(text)).toThrow(message);
  });
});
