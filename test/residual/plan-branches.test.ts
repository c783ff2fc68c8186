/** Which layers get a branch, and where in the file it lies. */
import { describe, expect, it } from "vitest";
import { ternarizedBy } from "../../compiler/passes/ternarize.js";
import { planBranches } from "../../compiler/residual/plan-branches.js";
import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, Node, ValueType } from "../../ir/graph/graph.js";

/** Two linears of a block: [30, 40], then [9, 30]. */
function twoLinears(): Graph {
  const weight = (rows: number, columns: number): Constant => ({
    ...{ dtype: "f32", shape: [rows, columns] },
    source: { kind: "fill", value: 1 },
  });
  const constants = new Map([
    ["large", weight(30, 40)],
    ["small", weight(9, 30)],
  ]);
  const types = new Map<string, ValueType>([
    ["x", { dtype: "f32", shape: [2, 40] }],
    ["h", { dtype: "f32", shape: [2, 30] }],
    ["y", { dtype: "f32", shape: [2, 9] }],
  ]);
  for (const [id, { dtype, shape }] of constants) types.set(id, { dtype, shape });
  const linear = (x: string, w: string, y: string, role: string): Node => ({
    ...{ op: "linear", inputs: [x, w], outputs: [y] },
    attrs: { role, activation: "none", gated: false },
  });
  const nodes = [
    linear("x", "large", "h", "double.0.img.mlp.0"),
    linear("h", "small", "y", "double.0.img.mlp.2"),
  ];
  return { name: "two", inputs: ["x"], outputs: ["y"], types, constants, nodes };
}

const NO_READER = {
  read(): Uint8Array {
    throw new Error("planning reads no weights");
  },
};

describe("branches", () => {
  const graph = twoLinears();
  const plan = (rank: number) =>
    planBranches(graph, ternarizedBy(graph, NO_READER, "exact"), { rank, file: "f" });

  it("stand beside layers of more than twice their rank in both directions", () => {
    const { branches, layers, without } = plan(4);
    expect(without).toEqual([]);
    expect(layers.map(({ role, offset, bytes }) => [role, offset, bytes])).toEqual([
      ["double.0.img.mlp.0", 0, 2 * 4 * (30 + 40)],
      ["double.0.img.mlp.2", 560, 2 * 4 * (9 + 30)],
    ]);
    const [first] = branches.values();
    expect(first).toEqual({
      role: "double.0.img.mlp.0",
      up: { dtype: "f16", shape: [30, 4], source: { kind: "file", file: "f", offset: 0, length: 240 } },
      down: { dtype: "f16", shape: [4, 40], source: { kind: "file", file: "f", offset: 240, length: 320 } },
    });
  });

  it("are left out beside others, and refused where there would be none", () => {
    const { layers, without } = plan(5);
    expect(layers.map(({ role }) => role)).toEqual(["double.0.img.mlp.0"]);
    expect(without).toEqual(["double.0.img.mlp.2"]);
    expect(plan(14).layers.length).toBe(1);
    expect(() => plan(15)).toThrowError(
      expect.objectContaining({
        details: expect.objectContaining({
          ...{ code: "TRITC_E_RESIDUAL_RANK", place: "--residual-rank" },
          ...{ expected: "a rank of at most 14", found: "15" },
        }),
      }),
    );
  });
});
