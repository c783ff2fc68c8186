/** Every form of a ternary linear gets its branch: the graph then computes what dense weights s·T + U·V would. */
import { describe, expect, it } from "vitest";
import type { Branch, PassOptions } from "../../compiler/pass.js";
import { addBranches } from "../../compiler/passes/add-branches.js";
import type { Constant } from "../../ir/constant/constant.js";
import { encodeBytes } from "../../ir/constant/convert.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { uniform } from "../support/random.js";
import { relativeError } from "../support/run-compiled.js";

const NO_READER = {
  read(): Uint8Array {
    throw new Error("nothing lies in files");
  },
};
const [TOKENS, K, RANK] = [6, 20, 2];
const next = uniform(5);
const random = (...shape: readonly number[]): Constant => ({
  dtype: "f32",
  shape,
  source: {
    kind: "inline",
    bytes: encodeBytes(
      "f32",
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5),
    ),
  },
});
const ternary = (rows: number): Constant => ({
  dtype: "i8",
  shape: [rows, K],
  source: {
    kind: "inline",
    bytes: encodeBytes(
      "i8",
      Int8Array.from({ length: rows * K }, () => Math.floor(3 * next()) - 1),
    ),
  },
});
const concat = (...of: readonly Constant[]): Constant => ({
  dtype: of[0]?.dtype ?? "f32",
  shape: [of.reduce((sum, c) => sum + (c.shape[0] ?? 0), 0), ...(of[0]?.shape.slice(1) ?? [])],
  source: { kind: "concat", of },
});
const rows = (of: Constant, start: number, count: number): Constant => ({
  ...of,
  shape: [count, ...of.shape.slice(1)],
  source: { kind: "rows", of, start },
});
const branchOf = (count: number, role: string): Branch => ({
  role,
  up: random(count, RANK),
  down: random(RANK, K),
});
/** s·T + U·V */
const dense = (codes: Constant, scales: Constant, { up, down }: Branch): Constant => {
  const [n = 0] = codes.shape;
  const [t, s, u, v] = [codes, scales, up, down].map((c) => decoded(c));
  const data = Float32Array.from({ length: n * K }, (_, at) => {
    const [row, column] = [Math.floor(at / K), at % K];
    let sum = (s?.[row] ?? 0) * (t?.[at] ?? 0);
    for (let r = 0; r < RANK; r++) sum += (u?.[row * RANK + r] ?? 0) * (v?.[r * K + column] ?? 0);
    return sum;
  });
  return { dtype: "f32", shape: [n, K], source: { kind: "inline", bytes: encodeBytes("f32", data) } };
};
function decoded({ dtype, source }: Constant): ArrayLike<number> {
  if (source.kind !== "inline") throw new Error("not in memory");
  const { buffer, byteOffset, byteLength } = source.bytes;
  return dtype === "i8"
    ? new Int8Array(buffer, byteOffset, byteLength)
    : new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

interface Layer {
  readonly codes: Constant;
  readonly scales: Constant;
  /** What dense weights would be. */
  readonly weight: Constant;
}

/** A graph of one layer; `op` says whether on its codes or on dense weights. */
function graphOf(
  op: "ternary-linear" | "linear",
  { codes, scales, weight }: Layer,
  epilogue: Node["attrs"],
): Graph {
  const [n = 0] = codes.shape;
  const types = new Map<string, ValueType>([
    ["x", { dtype: "f32", shape: [1, TOKENS, K] }],
    ["gate", { dtype: "f32", shape: [1, n] }],
    ["residual", { dtype: "f32", shape: [1, TOKENS, n] }],
    ["y", { dtype: "f32", shape: [1, TOKENS, n] }],
  ]);
  const bias = { dtype: "f32", shape: [n], source: { kind: "fill", value: 0.25 } } as const;
  const constants = new Map<string, Constant>(
    op === "linear"
      ? [
          ["w", weight],
          ["b", bias],
        ]
      : [
          ["t", codes],
          ["s", scales],
          ["b", bias],
        ],
  );
  for (const [id, { dtype, shape }] of constants) types.set(id, { dtype, shape });
  const gated = "gated" in epilogue && epilogue.gated === true;
  const attrs = { role: "single.0.mlp", ...epilogue, ...(op === "linear" ? {} : { quantized: false }) };
  const inputs = ["x", ...constants.keys(), ...(gated ? ["gate", "residual"] : [])];
  const node = { op, inputs, outputs: ["y"], attrs } as unknown as Node;
  return {
    name: "layer",
    inputs: ["x", "gate", "residual"],
    outputs: ["y"],
    types,
    constants,
    nodes: [node],
  };
}

const options: Omit<PassOptions, "branches"> = {
  ...{ ternarize: "none", activations: "f32", bindings: {}, sizes: {} },
  limits: { maxBindingBytes: Number.POSITIVE_INFINITY, maxBufferBytes: Number.POSITIVE_INFINITY },
};
const SIZES = { n: 12 };
const codes = ternary(SIZES.n);
const scales = random(SIZES.n);
const branch = branchOf(SIZES.n, "single.0.mlp");
const single: Layer = { codes, scales, weight: dense(codes, scales, branch) };
const parts = [ternary(8), ternary(4)] as const;
const partScales = [random(8), random(4)] as const;
const partBranches = [branchOf(8, "single.0.q"), branchOf(4, "single.0.k")] as const;
const nothing: Branch = {
  role: "",
  up: { ...random(4, RANK), source: { kind: "inline", bytes: new Uint8Array(4 * 4 * RANK) } },
  down: partBranches[1].down,
};
const merged = (second: Branch): Layer => ({
  codes: concat(...parts),
  scales: concat(...partScales),
  weight: concat(dense(parts[0], partScales[0], partBranches[0]), dense(parts[1], partScales[1], second)),
});
const cut: Layer = {
  codes: rows(codes, 4, 6),
  scales: rows(scales, 4, 6),
  weight: rows(single.weight, 4, 6),
};

describe("add-branches", () => {
  it.each<readonly [string, Layer, readonly (readonly [Constant, Branch])[], Node["attrs"], string]>([
    [
      "a plain linear",
      single,
      [[codes, branch]],
      { activation: "none", gated: false },
      "linear linear ternary-linear",
    ],
    [
      "one with gate and residual",
      single,
      [[codes, branch]],
      { activation: "none", gated: true },
      "linear linear ternary-linear",
    ],
    [
      "one with GELU",
      single,
      [[codes, branch]],
      { activation: "gelu-tanh", gated: false },
      "ternary-linear linear linear gelu",
    ],
    [
      "one with exact GELU",
      single,
      [[codes, branch]],
      { activation: "gelu-erf", gated: false },
      "ternary-linear linear linear gelu",
    ],
    [
      "one with SiLU",
      single,
      [[codes, branch]],
      { activation: "silu", gated: false },
      "ternary-linear linear linear silu",
    ],
    [
      "rows of one",
      cut,
      [[codes, branch]],
      { activation: "none", gated: false },
      "linear linear ternary-linear",
    ],
    [
      "merged ones",
      merged(partBranches[1]),
      [
        [parts[0], partBranches[0]],
        [parts[1], partBranches[1]],
      ],
      { activation: "none", gated: false },
      "ternary-linear linear part part part linear part linear concat",
    ],
    [
      "merged ones, one with none",
      merged(nothing),
      [[parts[0], partBranches[0]]],
      { activation: "none", gated: false },
      "ternary-linear linear part linear part concat",
    ],
  ])("%s", (_, layer, branches, epilogue, ops) => {
    const graph = addBranches.run(graphOf("ternary-linear", layer, epilogue), {
      reader: NO_READER,
      options: { ...options, branches: new Map(branches) },
    });
    verifyGraph(graph);
    expect(graph.nodes.map(({ op }) => op).sort()).toEqual(ops.split(" ").sort());
    const [n = 0] = layer.codes.shape;
    const tensor = (...shape: readonly number[]) => ({
      ...{ dtype: "f32" as const, shape },
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5),
    });
    const inputs = new Map([
      ["x", tensor(1, TOKENS, K)],
      ["gate", tensor(1, n)],
      ["residual", tensor(1, TOKENS, n)],
    ]);
    const [found] = interpret(graph, inputs, { reader: NO_READER }).values();
    const [wanted] = interpret(graphOf("linear", layer, epilogue), inputs, { reader: NO_READER }).values();
    expect(relativeError(found, wanted)).toBeLessThan(1e-6);
  });

  it("leaves a graph alone whose weights have none", () => {
    const graph = graphOf("ternary-linear", single, { activation: "none", gated: false });
    expect(addBranches.run(graph, { reader: NO_READER, options })).toBe(graph);
    const other = addBranches.run(graph, {
      reader: NO_READER,
      options: { ...options, branches: new Map([[ternary(3), branch]]) },
    });
    expect(other.nodes).toEqual(graph.nodes);
  });
});
