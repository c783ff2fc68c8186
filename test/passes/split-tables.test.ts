import { describe, expect, it } from "vitest";
import { UNLIMITED } from "../../compiler/pass.js";
import { splitTables } from "../../compiler/passes/split-tables.js";
import type { Constant } from "../../ir/constant/constant.js";
import { readConstant } from "../../ir/constant/read.js";
import type { Graph } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { makeNoise } from "../../runtime/noise.js";

const reader = {
  read(): Uint8Array {
    throw new Error("all constants are inline");
  },
};

const [ROWS, COLUMNS] = [11, 3];
const bytes = new Uint8Array(makeNoise(1, ROWS * COLUMNS).buffer);
const table: Constant = { dtype: "f32", shape: [ROWS, COLUMNS], source: { kind: "inline", bytes } };

function lookup(dtype: "i64" | "i32", axis = 0): Graph {
  const result = axis === 0 ? [1, "tokens", COLUMNS] : [ROWS, 1, "tokens"];
  return {
    name: "g",
    inputs: ["ids"],
    outputs: ["y"],
    types: new Map([
      ["ids", { dtype, shape: [1, "tokens"] }],
      ["table", { dtype: "f32", shape: table.shape }],
      ["y", { dtype: "f32", shape: result }],
    ]),
    constants: new Map([["table", table]]),
    nodes: [{ op: "gather", inputs: ["table", "ids"], outputs: ["y"], attrs: { axis } }],
  };
}

function run(graph: Graph, ids: Tensor): readonly number[] {
  return Array.from(interpret(graph, new Map([["ids", ids]]), { reader }).get("y")?.data ?? [], Number);
}

const context = (maxBindingBytes: number) => ({
  reader,
  options: {
    ternarize: "none",
    activations: "f32",
    bindings: {},
    sizes: {},
    limits: { ...UNLIMITED, maxBindingBytes },
  } as const,
});
const rowBytes = 4 * COLUMNS;

describe.each(["i64", "i32"] as const)("split-tables, indices of %s", (dtype) => {
  const every = Array.from({ length: 2 * ROWS }, (_, i) => i - ROWS);
  const data = dtype === "i64" ? BigInt64Array.from(every, BigInt) : Int32Array.from(every);
  const ids: Tensor = { dtype, shape: [1, every.length], data };
  const values = readConstant(table, reader).data;
  // Indices below 0 count from the end.
  const wanted = every.flatMap((index) => {
    const row = index < 0 ? index + ROWS : index;
    return Array.from(values.subarray(row * COLUMNS, (row + 1) * COLUMNS), Number);
  });

  it.each([
    [11, 1],
    [10, 2],
    [4, 3],
    [1, 11],
  ])("with room for %i rows there are %i parts, with the same result for every index", (room, parts) => {
    const split = splitTables.run(lookup(dtype), context(room * rowBytes));
    verifyGraph(split);
    const tables = split.nodes.flatMap(({ op, inputs }) => (op === "gather" ? [inputs[0] ?? ""] : []));
    expect(tables.map((id) => split.constants.get(id)?.shape[0] ?? 0).length).toBe(parts);
    for (const id of tables) expect(split.constants.get(id)?.shape[0]).toBeLessThanOrEqual(room);
    expect(run(split, ids)).toEqual(wanted);
  });

  it("leaves what is looked up along another axis", () => {
    const graph = lookup(dtype, 1);
    expect(splitTables.run(graph, context(rowBytes)).nodes).toEqual(graph.nodes);
  });
});
