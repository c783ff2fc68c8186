/** Groups of a row's inputs with a scale each: which a weight has, what the passes make of them. */
import { describe, expect, it } from "vitest";
import { losslessGroup } from "../../compiler/analysis/lossless-group.js";
import { type Group, UNLIMITED } from "../../compiler/pass.js";
import { fuseSharedInput } from "../../compiler/passes/fuse-shared-input.js";
import { splitWeights } from "../../compiler/passes/split-weights.js";
import { ternarize } from "../../compiler/passes/ternarize.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import { readConstant } from "../../ir/constant/read.js";
import type { DType } from "../../ir/dtype.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { GROUP_SIZES, type GroupSize, groupRanges } from "../../ir/ternary/groups.js";
import { randomFloats, randomInts } from "../support/random.js";
import { difference, IN_MEMORY, randomInputs } from "./support.js";

const ALL = [null, ...GROUP_SIZES.toReversed()];

function matrix(dtype: DType, shape: readonly number[], values: Float32Array): Constant {
  return { dtype, shape, source: { kind: "inline", bytes: encodeBytes(dtype, values) } };
}

/** Values of [rows, k] whose groups hold {-s, 0, s}, scales being whole multiples of `unit`. */
function grouped(rows: number, k: number, group: GroupSize | null, unit: number, seed = 1): Float32Array {
  const [codes, factors] = [randomInts(seed, rows * k, -1, 1), randomInts(seed + 1, rows * k, 1, 40)];
  const out = new Float32Array(rows * k);
  for (let r = 0; r < rows; r++) {
    for (const [start, end] of groupRanges(k, group))
      for (let i = r * k + start; i < r * k + end; i++) out[i] = codes[i]! * factors[r * k + start]! * unit;
  }
  return out;
}

describe("losslessGroup", () => {
  it.each([null, ...GROUP_SIZES])("is the largest that holds a weight: %s", (group) => {
    const values = grouped(6, 600, group, 2 ** -7);
    for (const [dtype, scales] of [
      ["f16", "f16"],
      ["bf16", "bf16"],
      ["f32", "f16"],
    ] as const) {
      expect(losslessGroup(matrix(dtype, [6, 600], values), IN_MEMORY, ALL)).toEqual({ group, scales });
    }
    const turned = matrix("f16", [600, 6], new Float32Array(3600));
    const columns = values.map((_, i) => values[(i % 6) * 600 + Math.floor(i / 6)]!);
    const transposed: Constant = {
      dtype: "f16",
      shape: [6, 600],
      source: { kind: "transpose", of: { ...turned, ...matrix("f16", [600, 6], columns) } },
    };
    expect(losslessGroup(transposed, IN_MEMORY, ALL)).toEqual({ group, scales: "f16" });
  });

  it.each(["f16", "bf16", "f32"] as const)("sees one weight of another magnitude in %s", (dtype) => {
    for (const width of [600, 601]) {
      for (const at of [0, 1, 128, 301, width - 1]) {
        const values = grouped(3, width, 128, 2 ** -7);
        const found = () => losslessGroup(matrix(dtype, [3, width], values), IN_MEMORY, [128]);
        expect(found()?.group).toBe(128);
        values[2 * width + at] = at % 2 === 0 ? 1000 : -1000;
        expect(found()).toBe(undefined);
      }
    }
  });

  it("stores scales in the narrowest type that holds them all", () => {
    const of = (unit: number) =>
      losslessGroup(matrix("f32", [3, 96], grouped(3, 96, 32, unit)), IN_MEMORY, ALL);
    expect(of(2 ** -30)).toEqual({ group: 32, scales: "bf16" });
    expect(of(1 / 3)).toEqual({ group: 32, scales: "f32" });
  });

  it("looks at every row", () => {
    const values = grouped(9, 256, 128, 1);
    for (let i = 0; i < 32; i++) values[8 * 256 + i] = 1;
    for (let i = 32; i < 64; i++) values[8 * 256 + i] = 2;
    const found = () => losslessGroup(matrix("f16", [9, 256], values), IN_MEMORY, ALL);
    expect(found()).toEqual({ group: 32, scales: "f16" });
    values[8 * 256 + 7] = 3;
    expect(found()).toBe(undefined);
    expect(losslessGroup(matrix("f16", [9, 256], grouped(9, 256, 32, 1)), IN_MEMORY, [64])).toBe(undefined);
    expect(losslessGroup(matrix("f16", [9, 256], grouped(9, 256, 64, 1)), IN_MEMORY, [32])).toEqual({
      group: 32,
      scales: "f16",
    });
  });

  it("reads one row of a weight that is not ternary, or the first inputs of all", () => {
    const values = randomFloats(3, 64 * 100);
    let read = 0;
    const bytes = encodeBytes("f32", values);
    const reader = {
      read(_: string, offset: number, length: number) {
        read += length;
        return bytes.subarray(offset, offset + length);
      },
    };
    const file = { kind: "file", file: "w", offset: 0, length: bytes.length } as const;
    expect(losslessGroup({ dtype: "f32", shape: [64, 100], source: file }, reader, ALL)).toBe(undefined);
    expect(read).toBe(400);
    const turned: Constant = {
      dtype: "f32",
      shape: [100, 64],
      source: { kind: "transpose", of: { dtype: "f32", shape: [64, 100], source: file } },
    };
    read = 0;
    expect(losslessGroup(turned, reader, ALL)).toBe(undefined);
    expect(read).toBe(32 * 400);
  });
});

/** Linears of one block that read one value. */
function linears(weights: Readonly<Record<string, Constant>>): Graph {
  const entries = Object.entries(weights);
  const [[, first]] = entries as [[string, Constant]];
  const k = first.shape[1]!;
  return {
    name: "g",
    inputs: ["x"],
    outputs: entries.map(([name]) => `y.${name}`),
    types: new Map<string, ValueType>([
      ["x", { dtype: "f32", shape: [1, "n", k] }],
      ...entries.flatMap(([name, { dtype, shape }]): [string, ValueType][] => [
        [name, { dtype, shape }],
        [`y.${name}`, { dtype: "f32", shape: [1, "n", shape[0]!] }],
      ]),
    ]),
    constants: new Map(entries),
    nodes: entries.map(
      ([name]): Node => ({
        op: "linear",
        inputs: ["x", name, null],
        outputs: [`y.${name}`],
        attrs: { role: `single.0.${name}`, activation: "none", gated: false },
      }),
    ),
  };
}

function context(group: Group | undefined, maxBindingBytes = Number.POSITIVE_INFINITY) {
  const limits = { ...UNLIMITED, maxBindingBytes };
  const options = { ternarize: "exact", activations: "f32", bindings: {}, sizes: {}, limits } as const;
  return { reader: IN_MEMORY, options: { ...options, ...(group === undefined ? {} : { group }) } };
}

function ternary(graph: Graph, group: Group | undefined): Graph {
  const made = ternarize.run(graph, context(group));
  verifyGraph(made);
  return made;
}

function scalesOf(graph: Graph): Record<string, string> {
  const found = graph.nodes.flatMap((node) => {
    const scales = node.op === "ternary-linear" ? graph.constants.get(node.inputs[2] ?? "") : undefined;
    return scales === undefined || node.op !== "ternary-linear"
      ? []
      : [[node.attrs.role ?? "", `${scales.dtype}[${scales.shape.join(", ")}]`] as const];
  });
  return Object.fromEntries(found);
}

describe("ternarize", () => {
  const dense = matrix("f16", [4, 300], randomFloats(1, 1200));
  const exact = matrix("f16", [4, 300], grouped(4, 300, 128, 2 ** -6));
  const rows = matrix("f16", [4, 300], grouped(4, 300, null, 2 ** -6));
  const graph = linears({ dense, exact, rows });

  it("has one scale a row unless told", () => {
    const wanted = { "single.0.dense": "f32[4]", "single.0.exact": "f32[4]", "single.0.rows": "f32[4]" };
    expect(scalesOf(ternary(graph, undefined))).toEqual(wanted);
    expect(scalesOf(ternary(graph, "row"))).toEqual(wanted);
  });

  it("auto takes the groups that a weight has, and loses nothing of it", () => {
    const made = ternary(graph, "auto");
    expect(scalesOf(made)).toEqual({
      "single.0.dense": "f32[4]",
      "single.0.exact": "f16[4, 3]",
      "single.0.rows": "f32[4]",
    });
    const inputs = randomInputs(graph, { n: 5 });
    expect(
      difference(linears({ exact, rows }), ternary(linears({ exact, rows }), "auto"), inputs),
    ).toBeLessThan(1e-6);
  });

  it("a size is that of all weights, with scales in 16 bits where those are exact", () => {
    expect(scalesOf(ternary(graph, 64))).toEqual({
      "single.0.dense": "f32[4, 5]",
      "single.0.exact": "f16[4, 5]",
      "single.0.rows": "f16[4, 5]",
    });
    expect(scalesOf(ternary(linears({ small: matrix("f32", [3, 32], randomFloats(2, 96)) }), 32))).toEqual({
      "single.0.small": "f32[3]",
    });
  });

  it("a weight that an adapter changed is fitted to the groups that it had", () => {
    const [up, down] = [
      matrix("f32", [4, 2], randomFloats(3, 8)),
      matrix("f32", [2, 300], randomFloats(4, 600)),
    ];
    const merged: Constant = {
      dtype: "f32",
      shape: [4, 300],
      source: { kind: "low-rank", of: exact, up, down, scale: 0.1 },
    };
    expect(scalesOf(ternary(linears({ merged }), "auto"))).toEqual({ "single.0.merged": "f32[4, 3]" });
  });
});

it("fuse-shared-input joins weights of one group size", () => {
  const weights = (group: GroupSize, seed: number) =>
    matrix("f16", [4, 300], grouped(4, 300, group, 1, seed));
  const graph = linears({ q: weights(128, 1), k: weights(128, 5), v: weights(64, 9) });
  const made = ternary(graph, "auto");
  const fused = fuseSharedInput.run(made, context("auto"));
  verifyGraph(fused);
  expect(scalesOf(fused)).toEqual({ "single.0.qk": "f16[8, 3]", "single.0.v": "f16[4, 5]" });
  const scales = [...fused.constants].find(([id]) => id.startsWith("single.0.qk.scales"));
  expect(readConstant(scales![1], IN_MEMORY).data.length).toBe(24);
  const inputs = randomInputs(graph, { n: 5 });
  expect(difference(made, fused, inputs)).toBe(0);
});

it("split-weights cuts scales of groups with their rows", () => {
  const graph = ternary(linears({ q: matrix("f32", [512, 64], randomFloats(7, 512 * 64)) }), 32);
  const split = splitWeights.run(graph, context(32, 256 * 16));
  verifyGraph(split);
  expect(scalesOf(split)).toEqual({ "single.0.q.0": "f32[256, 2]", "single.0.q.1": "f32[256, 2]" });
  expect(difference(graph, split, randomInputs(graph, { n: 3 }))).toBe(0);
});

it.each([
  ["f32[2, 4]", undefined],
  ["f32[2, 2]", undefined],
  ["f32[2, 3]", /a scale for each row, or for each 32, 64, 128, 256 of its 100 codes/],
  ["f32[2, 1]", /a scale for each row/],
  ["f32[3, 2]", /rows of codes and scales/],
])("the verifier knows what scales codes [2, 100] have: %s", (type, message) => {
  const text = `graph "g" {
  input %x: f32[5, 100]
  const %c: i8[2, 100] = fill(1)
  const %s: ${type} = fill(1)
  %y: f32[5, 2] = ternary-linear(%x, %c, %s, _) {"role": null, "activation": "none", "gated": false, "quantized": false}
  output %y
}`;
  const wrong = () => verifyGraph(parseGraph(text));
  if (message === undefined) expect(wrong).not.toThrow();
  else expect(wrong).toThrow(message);
});
