import { describe, expect, it } from "vitest";
import { differentiate } from "../../compiler/gradient/differentiate.js";
import { GraphEditor } from "../../compiler/rewrite/graph-editor.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import { countOf, type Tensor } from "../../ir/tensor.js";
import { uniform } from "../support/random.js";

const NO_FILES = { read: () => new Uint8Array() };

type Shapes = Readonly<Record<string, readonly number[]>>;
type Make = (editor: GraphEditor) => ValueId;

/** A graph of f32 inputs whose last output is the inner product of what `make` gives with fixed numbers. */
function withLoss(shapes: Shapes, make: Make): { readonly editor: GraphEditor; readonly loss: ValueId } {
  const ids = Object.keys(shapes);
  const types = new Map(ids.map((id) => [id, { dtype: "f32" as const, shape: shapes[id] ?? [] }]));
  const empty: Graph = { name: "g", inputs: ids, outputs: [], types, constants: new Map(), nodes: [] };
  const editor = new GraphEditor(empty);
  const out = make(editor);
  const shape = (editor.type(out).shape ?? []).map(Number);
  const next = uniform(99);
  const weights = Float32Array.from({ length: countOf(shape) }, () => next() - 0.3);
  const constant = editor.constant({
    dtype: "f32",
    shape,
    source: { kind: "inline", bytes: new Uint8Array(weights.buffer) },
  });
  const product = editor.add("binary", [out, constant], { fn: "mul" });
  const loss = editor.add("reduce", [product], { fn: "sum", keepDims: false, noopWithEmptyAxes: false });
  editor.addOutput(loss);
  return { editor, loss };
}

/** Numbers between .2 and 1.2, so that no function is asked where it has none. */
function operands(shapes: Shapes, seed: number): Map<ValueId, Tensor> {
  const next = uniform(seed);
  return new Map(
    Object.entries(shapes).map(([id, shape]) => {
      const data = Float64Array.from({ length: countOf(shape) }, () => next() + 0.2);
      return [id, { dtype: "f32" as const, shape, data }];
    }),
  );
}

function run(graph: Graph, inputs: ReadonlyMap<ValueId, Tensor>): Map<ValueId, Tensor> {
  return interpret(graph, inputs, { reader: NO_FILES, precision: "f64" });
}

/** Holds gradients against central differences, element by element, in f64. */
function expectGradients(shapes: Shapes, make: Make, wanted: readonly string[] = Object.keys(shapes)): void {
  const { editor, loss } = withLoss(shapes, make);
  const gradients = differentiate(editor, loss, wanted);
  for (const id of gradients.values()) editor.addOutput(id);
  const graph = editor.finish();
  verifyGraph(graph);
  const inputs = operands(shapes, 5);
  const found = run(graph, inputs);
  const lossAt = (id: ValueId, element: number, step: number): number => {
    const tensor = inputs.get(id) as Tensor;
    const data = Float64Array.from(tensor.data as Float64Array);
    data[element] = (data[element] ?? 0) + step;
    const moved = run({ ...graph, outputs: [loss] }, new Map(inputs).set(id, { ...tensor, data }));
    return Number(moved.get(loss)?.data[0]);
  };
  const step = 1e-5;
  for (const id of wanted) {
    const gradient = found.get(gradients.get(id) ?? "");
    expect(gradient?.shape, id).toEqual(shapes[id]);
    const largest = Math.max(...Array.from((gradient?.data ?? []) as Float64Array, (g) => Math.abs(g)));
    expect(largest, `${id} has an influence`).toBeGreaterThan(1e-4);
    for (let i = 0; i < (gradient?.data.length ?? 0); i++) {
      const slope = (lossAt(id, i, step) - lossAt(id, i, -step)) / (2 * step);
      expect(Math.abs(Number(gradient?.data[i]) - slope), `${id}[${i}]`).toBeLessThan(1e-7 * (1 + largest));
    }
  }
}

describe("gradients against central differences", () => {
  it.each(["abs", "cos", "erf", "exp", "log", "neg", "reciprocal", "relu"] as const)("unary %s", (fn) => {
    expectGradients({ x: [3, 4] }, (e) => e.add("unary", ["x"], { fn }));
  });
  it.each(["sigmoid", "sin", "softplus", "sqrt", "tanh"] as const)("unary %s", (fn) => {
    expectGradients({ x: [3, 4] }, (e) => e.add("unary", ["x"], { fn }));
  });

  it.each(["add", "sub", "mul", "div", "pow", "max", "min"] as const)(
    "binary %s, broadcast both ways",
    (fn) => {
      expectGradients({ x: [2, 1, 3], y: [4, 1] }, (e) => e.add("binary", ["x", "y"], { fn }));
    },
  );

  it("a value that is read twice", () => {
    expectGradients({ x: [3] }, (e) => e.add("binary", ["x", "x"], { fn: "mul" }));
  });

  it("where", () => {
    expectGradients(
      { c: [2, 3], x: [2, 3], y: [3] },
      (e) => {
        const half = e.constant({ dtype: "f32", shape: [], source: { kind: "fill", value: 0.7 } });
        return e.add("where", [e.add("binary", ["c", half], { fn: "less" }), "x", "y"], {});
      },
      ["x", "y"],
    );
  });

  it("cast", () => {
    expectGradients({ x: [5] }, (e) =>
      e.add("cast", [e.add("unary", [e.add("cast", ["x"], { to: "f64" })], { fn: "exp" })], { to: "f32" }),
    );
  });

  it("silu", () => expectGradients({ x: [7] }, (e) => e.add("silu", ["x"], {})));
  it.each(["tanh", "none"] as const)("gelu %s", (approximate) => {
    expectGradients({ x: [7] }, (e) => e.add("gelu", ["x"], { approximate }));
  });

  it.each([
    ["matrices", [3, 4], [4, 2]],
    ["a batch with one matrix", [2, 3, 4], [4, 2]],
    ["one matrix with a batch", [3, 4], [2, 4, 2]],
    ["batches that broadcast", [2, 1, 3, 4], [3, 4, 2]],
    ["a vector from the left", [4], [2, 4, 3]],
    ["a vector from the right", [2, 3, 4], [4]],
    ["two vectors", [4], [4]],
  ] as const)("matmul of %s", (_, x, y) => {
    expectGradients({ x, y }, (e) => e.add("matmul", ["x", "y"], {}));
  });

  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])("gemm, transA %s, transB %s", (transA, transB) => {
    const shapes = { x: transA ? [4, 3] : [3, 4], y: transB ? [2, 4] : [4, 2], c: [2] };
    expectGradients(shapes, (e) => e.add("gemm", ["x", "y", "c"], { alpha: 0.5, beta: 3, transA, transB }));
  });

  it.each([[[2, 3]], [[2, 3, 4]], [[2, 1, 3, 4]]])("linear on %j", (lead) => {
    expectGradients({ x: [...lead, 5], w: [3, 5], b: [3] }, (e) =>
      e.add("linear", ["x", "w", "b"], { role: null, activation: "none", gated: false }),
    );
  });
  it("linear without a bias", () => {
    expectGradients({ x: [2, 4], w: [3, 4] }, (e) =>
      e.add("linear", ["x", "w"], { role: null, activation: "none", gated: false }),
    );
  });

  it.each([
    ["[B, C]", [2, 4]],
    ["[B, 1, C]", [2, 1, 4]],
    ["[C]", [4]],
    ["[B, T, C]", [2, 3, 4]],
  ] as const)("modulate by %s", (_, by) => {
    expectGradients({ x: [2, 3, 4], shift: by, scale: by }, (e) =>
      e.add("modulate", ["x", "shift", "scale"], {}),
    );
  });
  it("gated-residual", () => {
    expectGradients({ r: [2, 3, 4], gate: [2, 4], y: [2, 3, 4] }, (e) =>
      e.add("gated-residual", ["r", "gate", "y"], {}),
    );
  });

  it.each([-1, 2, 1])("layer-norm from axis %i", (axis) => {
    const over = axis === 1 ? [3, 5] : [5];
    expectGradients({ x: [2, 3, 5], scale: over, bias: over }, (e) =>
      e.add("layer-norm", ["x", "scale", "bias"], { axis, epsilon: 1e-3 }),
    );
  });
  it("layer-norm without scale", () => {
    expectGradients({ x: [3, 5] }, (e) =>
      e.add("layer-norm", ["x", null, null], { axis: -1, epsilon: 1e-3 }),
    );
  });
  it.each([0, 2, 6])("rms-norm in groups of %i", (group) => {
    expectGradients({ x: [2, 3, 6], scale: [group === 0 ? 6 : group] }, (e) =>
      e.add("rms-norm", ["x", "scale"], { axis: -1, epsilon: 1e-3, group }),
    );
  });
  it("rms-norm without scale", () => {
    expectGradients({ x: [2, 6] }, (e) =>
      e.add("rms-norm", ["x", null], { axis: -1, epsilon: 1e-3, group: 3 }),
    );
  });

  it("rope", () => {
    expectGradients(
      { x: [2, 3, 8], cos: [3, 2], sin: [3, 2] },
      (e) => e.add("rope", ["x", "cos", "sin"], { headDim: 4 }),
      ["x"],
    );
  });
  it.each([[[2]], [[]], [[2, 2]]])("attention with leading axes %j", (lead) => {
    expectGradients({ q: [...lead, 3, 6], k: [...lead, 4, 6], v: [...lead, 4, 6] }, (e) =>
      e.add("attention", ["q", "k", "v"], { heads: 2, scale: 0.7 }),
    );
  });

  it.each(["sum", "mean", "sum-square", "max", "min"] as const)("reduce %s", (fn) => {
    for (const keepDims of [true, false]) {
      expectGradients({ x: [2, 3, 4] }, (e) =>
        e.add("reduce", ["x", e.ints([-1, 0])], { fn, keepDims, noopWithEmptyAxes: false }),
      );
      expectGradients({ x: [2, 3] }, (e) =>
        e.add("reduce", ["x"], { fn, keepDims, noopWithEmptyAxes: false }),
      );
    }
  });
  it.each([false, true])("softmax, log %s", (log) => {
    for (const axis of [-1, 1]) {
      expectGradients({ x: [2, 3, 4] }, (e) => e.add("softmax", ["x"], { axis, log }));
    }
  });

  it("reshape, squeeze, unsqueeze, flatten, expand and transpose", () => {
    expectGradients({ x: [2, 1, 6] }, (e) => {
      const squeezed = e.add("squeeze", ["x", e.ints([1])], {});
      const reshaped = e.add("reshape", [squeezed, e.ints([3, 4])], { allowZero: false });
      const turned = e.add("transpose", [reshaped], { perm: [1, 0] });
      const more = e.add("unsqueeze", [turned, e.ints([0])], {});
      const spread = e.add("expand", [more, e.ints([2, 4, 3])], {});
      const all = e.add("transpose", [spread], { perm: [2, 0, 1] });
      return e.add("flatten", [all], { axis: 1 });
    });
  });
  it("concat", () => {
    expectGradients({ x: [2, 3], y: [2, 1], z: [2, 2] }, (e) =>
      e.add("concat", ["x", "y", "z"], { axis: -1 }),
    );
  });
  it("split with a result that nothing reads", () => {
    expectGradients({ x: [2, 7] }, (e) => {
      const outputs = ["a", "b", "c"].map((id) => e.freshId(id));
      const sizes = e.ints([2, 1, 4]);
      e.addNode({ op: "split", inputs: ["x", sizes], outputs, attrs: { axis: 1 } });
      return e.add("concat", [outputs[2] ?? "", outputs[0] ?? ""], { axis: 1 });
    });
  });
  it("parts: with gaps, side by side, overlapping, of two axes", () => {
    expectGradients({ x: [4, 8] }, (e) => {
      const part = (axis: number, start: number, length: number) =>
        e.add("reduce", [e.add("part", ["x"], { axis, start, length }), e.ints([0, 1])], {
          fn: "sum-square",
          keepDims: true,
          noopWithEmptyAxes: false,
        });
      const parts = [part(1, 5, 2), part(1, 1, 2), part(1, 3, 2), part(1, 2, 3), part(0, 1, 2)];
      return e.add("concat", parts, { axis: 0 });
    });
  });
  it("slice of one axis", () => {
    expectGradients({ x: [4, 8] }, (e) => e.add("slice", ["x", e.ints([2]), e.ints([6]), e.ints([1])], {}));
  });
});

describe("differentiate", () => {
  it("gives 0 for what the loss does not depend on", () => {
    const { editor, loss } = withLoss({ x: [3], y: [2] }, (e) => e.add("unary", ["x"], { fn: "exp" }));
    const gradients = differentiate(editor, loss, ["y"]);
    editor.addOutput(gradients.get("y") ?? "");
    const found = run(editor.finish(), operands({ x: [3], y: [2] }, 1));
    expect([...(found.get(gradients.get("y") ?? "")?.data ?? [])]).toEqual([0, 0]);
  });

  it("stops at wanted values that are computed", () => {
    const { editor, loss } = withLoss({ x: [3] }, (e) => {
      const rounded = e.add("unary", ["x"], { fn: "round" });
      return e.add("binary", [rounded, rounded], { fn: "mul" });
    });
    const rounded = editor.nodes()[0]?.outputs[0] ?? "";
    const gradients = differentiate(editor, loss, [rounded]);
    expect(editor.type(gradients.get(rounded) ?? "").shape).toEqual([3]);
    expect(editor.producer(gradients.get(rounded))).toBeDefined();
  });

  it("names an operation that has no gradient", () => {
    const { editor, loss } = withLoss({ x: [3, 4] }, (e) => e.add("lp-norm", ["x"], { axis: -1, p: 2 }));
    expect(() => differentiate(editor, loss, ["x"])).toThrow(
      expect.objectContaining({
        code: "TRITC_E_GRADIENT",
        details: expect.objectContaining({ found: "lp-norm" }),
      }),
    );
  });
});
