/** Gradients of graphs that nobody thought of, along a random direction, against central differences in f64. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { fileReader } from "../../compiler/file-reader.js";
import { differentiate } from "../../compiler/gradient/differentiate.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { recognize } from "../../compiler/recognize/recognition.js";
import { GraphEditor } from "../../compiler/rewrite/graph-editor.js";
import { TritcError } from "../../ir/errors.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { verifyGraph } from "../../ir/graph/verify.js";
import { interpret } from "../../ir/interpret/index.js";
import type { Tensor } from "../../ir/tensor.js";
import { uniform } from "../support/random.js";
import { randomGraph } from "../support/random-graph.js";

const GRAPHS = 150;
const folder = mkdtempSync(join(tmpdir(), "tritc-gradient-"));
const reader = fileReader();
afterAll(() => {
  reader.close();
  rmSync(folder, { recursive: true });
});

type Values = ReadonlyMap<ValueId, Float64Array>;

/** Σ outputs·(1, 2, 3, …)/10 as a loss, and its gradients, as the outputs of a graph. */
function withGradients(graph: Graph): { readonly graph: Graph; readonly gradients: Map<ValueId, ValueId> } {
  const editor = new GraphEditor({ ...graph, outputs: [] });
  const terms = graph.outputs.map((id, k) => {
    const square = editor.add("binary", [id, id], { fn: "mul" });
    const sum = editor.add("reduce", [square], { fn: "sum", keepDims: false, noopWithEmptyAxes: false });
    return editor.add("binary", [sum, editor.scalar((k + 1) / 10)], { fn: "mul" });
  });
  const loss = terms.reduce((a, b) => editor.add("binary", [a, b], { fn: "add" }));
  editor.addOutput(loss);
  const gradients = new Map(differentiate(editor, loss, graph.inputs));
  for (const id of gradients.values()) editor.addOutput(id);
  return { graph: editor.finish(), gradients };
}

function at(
  graph: Graph,
  values: Values,
  bindings: Readonly<Record<string, number>>,
  outputs: readonly ValueId[],
) {
  const inputs = new Map(
    graph.inputs.map((id): [ValueId, Tensor] => {
      const shape = shapeOf(graph, id).map((dim) => (typeof dim === "number" ? dim : (bindings[dim] ?? 1)));
      return [id, { dtype: "f32", shape, data: values.get(id) ?? new Float64Array() }];
    }),
  );
  const found = interpret({ ...graph, outputs }, inputs, { reader, precision: "f64" });
  return outputs.map((id) => found.get(id)?.data as Float64Array);
}

it(`have the slopes of ${GRAPHS} random graphs`, () => {
  const counts = { equal: 0, kinks: 0, slices: 0 };
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const { bytes, inputs } = randomGraph(seed, 3 + (seed % 10));
    const file = join(folder, `${seed}.onnx`);
    writeFileSync(file, bytes);
    const recognized = recognize(importOnnx(file), reader);
    let made: ReturnType<typeof withGradients>;
    try {
      made = withGradients(recognized);
    } catch (error) {
      // Every second entry of an axis: no model that is trained has it.
      if (!(error instanceof TritcError) || error.details.found !== "slice") throw error;
      counts.slices++;
      continue;
    }
    const { graph, gradients } = made;
    verifyGraph(graph);
    const next = uniform(seed);
    const bindings = { n: inputs.get("in0")?.shape[0] ?? 1 };
    const point = new Map([...inputs].map(([id, { data }]) => [id, Float64Array.from(data as Float32Array)]));
    const direction = new Map([...point].map(([id, data]) => [id, data.map(() => next() - 0.5)]));
    const [loss = ""] = graph.outputs;
    const slope = (step: number): number => {
      const [ahead = 0, behind = 0] = [step, -step].map((h) => {
        const moved = [...point].map(
          ([id, x]) => [id, x.map((v, i) => v + h * (direction.get(id)?.[i] ?? 0))] as const,
        );
        return at(graph, new Map(moved), bindings, [loss])[0]?.[0];
      });
      return (ahead - behind) / (2 * step);
    };
    let found = 0;
    for (const id of graph.inputs) {
      const [gradient] = at(graph, point, bindings, [gradients.get(id) ?? ""]);
      for (const [i, g] of (gradient ?? []).entries()) found += g * (direction.get(id)?.[i] ?? 0);
    }
    const [wide, narrow] = [slope(1e-5), slope(5e-6)];
    const scale = 1 + Math.abs(narrow);
    // Differences across the kink of a maximum, say, are no slope.
    if (Math.abs(wide - narrow) > 1e-5 * scale) counts.kinks++;
    else {
      expect(Math.abs(found - narrow), `seed ${seed}`).toBeLessThan(1e-5 * scale);
      counts.equal++;
    }
  }
  expect(counts.equal).toBeGreaterThan(0.8 * GRAPHS);
  expect(counts.kinks).toBeLessThan(5);
});
