import { describe, expect, it } from "vitest";
import { UNLIMITED } from "../../compiler/pass.js";
import { splitWeights } from "../../compiler/passes/split-weights.js";
import type { Constant } from "../../ir/constant/constant.js";
import { type Graph, shapeOf } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { countOf } from "../../ir/tensor.js";
import { makeNoise } from "../../runtime/noise.js";

const reader = {
  read(): Uint8Array {
    throw new Error("all constants are inline");
  },
};

function noise(seed: number, shape: readonly number[]): Constant {
  const data = makeNoise(seed, countOf(shape));
  return { dtype: "f32", shape, source: { kind: "inline", bytes: new Uint8Array(data.buffer) } };
}

const [ROWS, COLUMNS, INNER] = [3, 600, 5];

/** residual + gate·(x·Wᵀ + b) with a weight of 600 rows. */
function gatedLinear(ternary: boolean): Graph {
  const weight = noise(1, [COLUMNS, INNER]);
  const of = { of: weight, method: "exact" } as const;
  const constants = new Map<string, Constant>([
    ["b", noise(2, [COLUMNS])],
    ...(ternary
      ? ([
          ["c", { dtype: "i8", shape: weight.shape, source: { kind: "ternary-codes", ...of } }],
          ["s", { dtype: "f32", shape: [COLUMNS], source: { kind: "ternary-scales", ...of } }],
        ] as const)
      : ([["w", weight]] as const)),
  ]);
  const inputs: readonly (readonly [string, readonly number[]])[] = [
    ["x", [1, ROWS, INNER]],
    ["gate", [1, COLUMNS]],
    ["residual", [1, ROWS, COLUMNS]],
  ];
  const attrs = { role: "single.0.out", activation: "none", gated: true } as const;
  return {
    name: "g",
    inputs: inputs.map(([id]) => id),
    outputs: ["y"],
    types: new Map([
      ...inputs.map(([id, shape]) => [id, { dtype: "f32" as const, shape }] as const),
      ...[...constants].map(([id, { dtype, shape }]) => [id, { dtype, shape }] as const),
      ["y", { dtype: "f32", shape: [1, ROWS, COLUMNS] }],
    ]),
    constants,
    nodes: [
      ternary
        ? {
            op: "ternary-linear",
            inputs: ["x", "c", "s", "b", "gate", "residual"],
            outputs: ["y"],
            attrs: { ...attrs, quantized: false },
          }
        : { op: "linear", inputs: ["x", "w", "b", "gate", "residual"], outputs: ["y"], attrs },
    ],
  };
}

function run(graph: Graph): Float32Array {
  const inputs = new Map(
    graph.inputs.map((id, i) => {
      const shape = shapeOf(graph, id).map(Number);
      return [id, { dtype: "f32" as const, shape, data: makeNoise(10 + i, countOf(shape)) }] as const;
    }),
  );
  return Float32Array.from(interpret(graph, inputs, { reader }).get("y")?.data as Float32Array);
}

describe.each([false, true])("split-weights, ternary: %s", (ternary) => {
  it("cuts a weight above the limit along its rows, with the same result", () => {
    const graph = gatedLinear(ternary);
    // Room for 256 rows: 600 = 256 + 256 + 88.
    const maxBindingBytes = 300 * (ternary ? 4 : INNER * 4);
    const limits = { ...UNLIMITED, maxBindingBytes };
    const options = { ternarize: "none", activations: "f32", bindings: {}, sizes: {}, limits } as const;
    const after = splitWeights.run(graph, { reader, options });
    verifyGraph(after);
    const op = ternary ? "ternary-linear" : "linear";
    expect(after.nodes.filter((n) => n.op === op).map((n) => shapeOf(after, n.outputs[0] ?? "")[2])).toEqual([
      256, 256, 88,
    ]);
    expect(run(after)).toEqual(run(graph));
  });

  it("leaves a weight that fits", () => {
    const graph = gatedLinear(ternary);
    const options = {
      ternarize: "none",
      activations: "f32",
      bindings: {},
      sizes: {},
      limits: UNLIMITED,
    } as const;
    expect(splitWeights.run(graph, { reader, options }).nodes).toEqual(graph.nodes);
  });
});
