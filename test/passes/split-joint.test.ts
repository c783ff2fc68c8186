import { describe, expect, it } from "vitest";
import { type PassOptions, UNLIMITED } from "../../compiler/pass.js";
import { splitJoint } from "../../compiler/passes/split-joint.js";
import { ternarize } from "../../compiler/passes/ternarize.js";
import type { Constant } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseGraph } from "../../ir/graph/parse.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { countOf } from "../../ir/tensor.js";
import { makeNoise } from "../../runtime/noise.js";

const reader = {
  read(): Uint8Array {
    throw new Error("all constants are inline");
  },
};
const TOKENS = 5;

function noise(seed: number, shape: readonly number[]): Constant {
  const bytes = new Uint8Array(makeNoise(seed, countOf(shape)).buffer);
  return { dtype: "f32", shape, source: { kind: "inline", bytes } };
}

/** [q | k | v | up], the first three under one part of their own; `last` is where the MLP's input begins. */
function graph(last = 6, extra = "", activation = "softsign"): Graph {
  const parsed = parseGraph(`graph "g" {
    input %x: f32[1, n, 3]
    const %w: f32[10, 3] = fill(1)
    const %b: f32[10] = fill(1)
    %all: f32[1, n, 10] = linear(%x, %w, %b) {"role": "single.0.linear1", "activation": "none", "gated": false}
    %qkv: f32[1, n, 6] = part(%all) {"axis": 2, "start": 0, "length": 6}
    %up: f32[1, n, 4] = part(%all) {"axis": 2, "start": ${last}, "length": 4}
    %q: f32[1, n, 2] = part(%qkv) {"axis": 2, "start": 0, "length": 2}
    %k: f32[1, n, 2] = part(%qkv) {"axis": 2, "start": 2, "length": 2}
    %v: f32[1, n, 2] = part(%qkv) {"axis": 2, "start": 4, "length": 2}
    %a: f32[1, n, 2] = attention(%q, %k, %v) {"heads": 1, "scale": 0.7}
    %g: f32[1, n, 4] = ${activation === "gelu" ? 'gelu(%up) {"approximate": "tanh"}' : `unary(%up) {"fn": "${activation}"}`}
    output %a, %g${extra}
  }`);
  const constants = new Map([
    ["w", noise(1, [10, 3])],
    ["b", noise(2, [10])],
  ]);
  return { ...parsed, constants };
}

function run(before: Graph, limits: Partial<PassOptions["limits"]>): Graph {
  const sizes = { n: TOKENS };
  const options: PassOptions = {
    ternarize: "exact",
    activations: "f32",
    bindings: {},
    sizes,
    limits: { ...UNLIMITED, ...limits },
  };
  const after = splitJoint.run(before, { reader, options });
  verifyGraph(after);
  const data = makeNoise(3, TOKENS * 3);
  const inputs = new Map([["x", { dtype: "f32", shape: [1, TOKENS, 3], data } as const]]);
  expect(interpret(after, inputs, { reader })).toEqual(interpret(before, inputs, { reader }));
  return after;
}

const ternary = (of: Graph): Graph =>
  ternarize.run(of, {
    reader,
    options: { ternarize: "absmean", activations: "f32", bindings: {}, sizes: {}, limits: UNLIMITED },
  });

const columns = (of: Graph): readonly unknown[] =>
  of.nodes.flatMap(({ op, outputs }) =>
    op === "linear" || op === "ternary-linear" ? [of.types.get(outputs[0] ?? "")?.shape?.at(-1)] : [],
  );

describe.each([
  ["linear", graph()],
  ["ternary-linear", ternary(graph())],
] as const)("split-joint of %s", (op, joint) => {
  it("is about that operation", () => {
    expect(joint.nodes[0]?.op).toBe(op);
  });

  it.each([
    [{}, [10]],
    [{ maxBindingBytes: 4 * TOKENS * 10 }, [10]],
    // q, k and v together fit, so they stay one.
    [{ maxBufferBytes: 4 * TOKENS * 10 - 1 }, [6, 4]],
    [{ maxBindingBytes: 4 * TOKENS * 10 - 1 }, [6, 4]],
    [{ maxBindingBytes: 4 * TOKENS * 6 - 1 }, [2, 2, 2, 4]],
  ])("with limits %o computes %o columns", (limits, expected) => {
    expect(columns(run(joint, limits))).toEqual(expected);
  });
});

it("gives a part that goes through an activation a linear of its own", () => {
  expect(columns(run(graph(6, "", "gelu"), {}))).toEqual([6, 4]);
});

it("leaves a result that is read as a whole, or whose parts overlap", () => {
  expect(columns(run(graph(5), { maxBufferBytes: 1 }))).toEqual([10]);
  expect(columns(run(graph(6, ", %all"), { maxBufferBytes: 1 }))).toEqual([10]);
});
