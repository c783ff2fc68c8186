import { describe, expect, it } from "vitest";
import { summarizeRecognition } from "../../compiler/recognize/index.js";
import type { Graph } from "../../ir/graph/graph.js";
import { buildFlux, fluxInputs } from "../support/flux-builder.js";
import { type FluxStyle, STYLES, TINY } from "../support/flux-style.js";
import { model, node, tensor, value } from "../support/onnx-builder.js";
import { deviation, importBytes, recognized, run } from "./models.js";

const style = STYLES.torchscript as FluxStyle;

function unrecognized(g: Graph): readonly string[] {
  return summarizeRecognition(g).unrecognized.map(({ op }) => op);
}

describe("what only resembles FLUX stays generic and still computes the same", () => {
  const cases: readonly (readonly [string, Partial<FluxStyle>, readonly string[]])[] = [
    ["rotation of halves", { rotation: "half" }, ["matmul", "softmax", "unary.cos"]],
    ["masked attention", { attention: "masked" }, ["matmul", "softmax", "where"]],
  ];
  for (const [name, change, left] of cases) {
    it(name, () => {
      const other = { ...style, ...change };
      const imported = importBytes(buildFlux(other, TINY));
      const g = recognized(imported);
      expect(unrecognized(g)).toEqual(expect.arrayContaining([...left]));
      expect(g.model).toBeUndefined();
      expect(summarizeRecognition(g).counts.linear).toBe(36);
      const inputs = fluxInputs(other, TINY, { img: 7, txt: 3 }, { timestep: 0.01, guidance: 0.02 });
      expect(deviation(run(imported, inputs), run(g, inputs))).toBeLessThan(1e-5);
    });
  }
});

describe("small graphs", () => {
  const unary = (opType: string, inputs: readonly string[], output: string) => node(opType, inputs, [output]);

  it("QuickGelu is neither SiLU nor GELU", () => {
    const g = recognized(
      importBytes(
        model({
          inputs: [value("x", "f32", [1, 3, 8])],
          outputs: [value("y", "f32", [1, 3, 8])],
          initializers: [tensor("c", "f32", [], [1.702])],
          nodes: [unary("Mul", ["x", "c"], "u"), unary("Sigmoid", ["u"], "s"), unary("Mul", ["x", "s"], "y")],
        }),
      ),
    );
    expect(summarizeRecognition(g).counts).toEqual({});
  });

  it("an output that becomes an input is a copy of it", () => {
    const g = recognized(
      importBytes(
        model({
          inputs: [value("ids", "i64", [2, 3]), value("x", "f32", [2, 6])],
          outputs: [value("a", "f32", [2, 3]), value("b", "f32", [2, 6]), value("c", "f32", [2, 6])],
          initializers: [tensor("pairs", "i64", [3], [2, 3, 2]), tensor("flat", "i64", [2], [2, 6])],
          nodes: [
            node("Cast", ["ids"], ["a"], { to: { i: 1 } }),
            node("Reshape", ["x", "pairs"], ["p"]),
            node("Neg", ["p"], ["n"]),
            node("Neg", ["n"], ["m"]),
            node("Reshape", ["m", "flat"], ["b"]),
            node("Reshape", ["m", "flat"], ["c"]),
          ],
        }),
      ),
    );
    expect(g.outputs).toEqual(["a", "b", "c"]);
    const x = { type: "f32", dims: [2, 6], values: Array.from({ length: 12 }, (_, i) => i - 5) };
    const ids = { type: "i64", dims: [2, 3], values: [1, 2, 3, 4, 5, 6] };
    expect([...run(g, { x, ids })]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...run({ ...g, outputs: ["c"] }, { x, ids })]).toEqual(x.values);
  });

  it("whole numbers are not treated as real ones", () => {
    const g = recognized(
      importBytes(
        model({
          inputs: [value("x", "i64", [3, 4])],
          outputs: [value("y", "i64", [3, 4])],
          initializers: [tensor("two", "i64", [], [2])],
          nodes: [node("Div", ["x", "two"], ["h"]), node("Mul", ["h", "two"], ["y"])],
        }),
      ),
    );
    const x = { type: "i64", dims: [3, 4], values: Array.from({ length: 12 }, (_, i) => i + 1) };
    expect([...run(g, { x })]).toEqual([0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12]);
  });
});
