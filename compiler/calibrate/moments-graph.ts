import { type Dim, elementCount } from "../../ir/dim.js";
import { type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import { isBlockRole } from "../models/index.js";
import { type OnnxGraph, valueInfo } from "../onnx-export/graph.js";
import { type Name, OnnxWriter } from "../onnx-export/writer.js";

/** A value that linear layers of the blocks read: q, k and v share one, all modulation layers another. */
export interface LinearInput {
  readonly id: ValueId;
  readonly width: number;
  /** Rows of a sample. */
  readonly rows: Dim;
  /** Of the layers that read it. */
  readonly roles: readonly string[];
}

/** The distinct inputs of the blocks' linear layers, in the order of the graph. */
export function linearInputs(graph: Graph): readonly LinearInput[] {
  const roles = new Map<ValueId, string[]>();
  for (const { op, inputs, attrs } of graph.nodes) {
    if (op !== "linear" || attrs.role === null || !isBlockRole(attrs.role)) continue;
    const [x] = inputs;
    if (typeof x === "string") roles.set(x, [...(roles.get(x) ?? []), attrs.role]);
  }
  return [...roles].map(([id, own]) => {
    const shape = shapeOf(graph, id);
    const width = shape.at(-1);
    if (typeof width !== "number") throw new Error(`${id} has no known width`);
    return { id, width, rows: elementCount(shape.slice(0, -1)), roles: own };
  });
}

/** What is summed up over all rows x that a linear layer reads, each with its weight w. */
export interface Sums {
  /** H [width, width], Σ w·x·xᵀ */
  readonly second: Sum;
  /** s [width], Σ w·x */
  readonly first: Sum;
}

/** A sum goes in by one name and comes out by the other. */
export interface Sum {
  readonly before: Name;
  readonly after: Name;
  readonly shape: readonly number[];
}

export function sumsOf({ id, width }: LinearInput): Sums {
  const sum = (kind: string, shape: readonly number[]): Sum => {
    return { before: `${id}.${kind}`, after: `${id}.${kind}.next`, shape };
  };
  return { second: sum("second", [width, width]), first: sum("first", [width]) };
}

/** The input [1] of what each row of a run counts. */
export const WEIGHT = "row.weight";

/**
 * A graph that also sums: H' = (w·X)ᵀ·X + H and s' = Σ w·X + s, with X the rows of all samples of a batch. `onnx` computes
 * values of the inputs' names; they are none of its outputs any more.
 */
export function withMoments(onnx: OnnxGraph, inputs: readonly LinearInput[]): OnnxGraph {
  const sums = inputs.flatMap((input) => Object.values(sumsOf(input)));
  const writer = new OnnxWriter([
    ...[...onnx.inputs, ...onnx.initializers].flatMap(({ name }) => name ?? []),
    ...onnx.nodes.flatMap(({ output }) => output ?? []),
    ...[WEIGHT, ...sums.flatMap(({ before, after }) => [before, after])],
  ]);
  writer.scope = "moments";
  for (const input of inputs) {
    const { second, first } = sumsOf(input);
    const rows = writer.op("Reshape", [input.id, writer.integers([-1, input.width])]);
    const weighted = writer.op("Mul", [rows, WEIGHT]);
    writer.output("Gemm", [weighted, rows, second.before], second.after, { transA: { int: 1 } });
    const sum = writer.op("ReduceSum", [weighted, writer.integers([0])], { keepdims: { int: 0 } });
    writer.output("Add", [sum, first.before], first.after);
  }
  const port = (name: Name, dims: readonly number[]) => valueInfo({ name, dtype: "f32", dims });
  const ids = new Set(inputs.map(({ id }) => id));
  return {
    inputs: [...onnx.inputs, port(WEIGHT, [1]), ...sums.map(({ before, shape }) => port(before, shape))],
    outputs: [
      ...onnx.outputs.filter(({ name }) => !ids.has(name ?? "")),
      ...sums.map(({ after, shape }) => port(after, shape)),
    ],
    nodes: [...onnx.nodes, ...writer.nodes],
    initializers: [...onnx.initializers, ...writer.initializers],
  };
}
