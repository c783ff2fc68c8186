import { compileGraph, portTypesOf } from "../../compiler/compile-graph.js";
import type { PassOptions } from "../../compiler/pass.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import { type Graph, shapeOf } from "../../ir/graph/graph.js";
import { phasesThatRun } from "../../ir/program/phases.js";
import { evaluateBundle } from "../../runtime/evaluate.js";
import { targetByName } from "../../targets/index.js";
import { loadCompiled } from "../../test/support/run-compiled.js";
import type { BenchContext, Task } from "./subject.js";

export interface GraphTaskOptions {
  /** Of its weights; programs of one reader share what is packed. */
  readonly reader: ByteReader;
  readonly options?: Partial<Pick<PassOptions, "ternarize" | "group" | "activations" | "weights">>;
  readonly tolerance: number;
}

/** The program of a graph of fixed sizes, on the context's device: all that its launches do. */
export async function graphTask(
  name: string,
  graph: Graph,
  values: Readonly<Record<string, Float32Array<ArrayBuffer>>>,
  context: BenchContext,
  { reader, options, tolerance }: GraphTaskOptions,
): Promise<{ readonly task: Task; readonly close: () => Promise<void> }> {
  const compiled = await compileGraph(graph, reader, {
    target: targetByName(context.target),
    options: { ternarize: "none", activations: "f32", ...options },
    sizes: {},
    planned: [{}],
    batchAxes: new Map(),
    dtypes: portTypesOf(graph),
  });
  const { program } = compiled.lowered;
  const loaded = await loadCompiled(compiled, reader, await context.device());
  const inputs = new Map(
    graph.inputs.map((id) => [
      id,
      {
        dtype: "f32",
        shape: shapeOf(graph, id).map(Number),
        data: values[id] ?? new Float32Array(),
      } as const,
    ]),
  );
  // Fills the inputs.
  const [found] = (await evaluateBundle(loaded, program, inputs)).values();
  const phases = phasesThatRun(program, "prompt", "step");
  const task: Task = {
    name,
    tolerance,
    run: () => loaded.run(phases, 0),
    result: async () => found?.data as Float32Array,
  };
  return { task, close: () => loaded.close() };
}
