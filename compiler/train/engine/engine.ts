import type { ByteReader } from "../../../ir/constant/constant.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { printType } from "../../../ir/graph/print.js";
import type { Tensor } from "../../../ir/tensor.js";
import { openOrt, ortError } from "../../../runtime/node/ort-open.js";
import { Turns } from "../../../runtime/turns.js";
import { withModelFile } from "./model-file.js";
import { fromOrt, type PortType, portType, toOrt } from "./values.js";

/** A graph of known sizes that is run again and again, with what it keeps between runs. */
export interface StepProgram {
  readonly graph: Graph;
  /**
   * Inputs that the next run gets from an output of this one: parameters, optimizer moments, accumulators.
   * The other inputs are fed to each run, the other outputs are given back by it.
   */
  readonly state: readonly StateValue[];
}

export interface StateValue {
  readonly input: ValueId;
  readonly output: ValueId;
}

/** A step program that runs, and holds its state. */
export interface Engine {
  /** Runs the graph once, on all inputs that are not state; gives the outputs that are not. */
  run(feeds: ReadonlyMap<ValueId, Tensor>): Promise<ReadonlyMap<ValueId, Tensor>>;
  /** A state value, by the name of its input, as the last run left it: copied out. */
  read(id: ValueId): Promise<Tensor>;
  /** After all that was asked for before. */
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Reads the graph's constants. */
  readonly reader: ByteReader;
  /** Threads per operator, which decide the order of sums; the physical cores if absent. */
  readonly threads?: number | undefined;
}

/** What a state value starts from. */
export type InitialState = (id: ValueId) => Tensor | Promise<Tensor>;

/**
 * Opens a step program in ONNX Runtime, in a process of its own that holds the state: values go there one by one, and
 * what a run leaves in their place stays there. During a run both generations are in memory.
 *
 * @throws TritcError `TRITC_E_PACKAGE` if the runtime is not installed, `TRITC_E_ORT` if it refuses the graph,
 *   `TRITC_E_UNSUPPORTED_OP` where ONNX cannot say it, `TRITC_E_SYSTEM` if no temporary file can be written
 */
export async function openEngine(
  program: StepProgram,
  initial: InitialState,
  { reader, threads }: EngineOptions,
): Promise<Engine> {
  const { graph, state } = program;
  const types = portTypes(program);
  const typeOf = (id: ValueId): PortType => {
    const type = types.get(id);
    if (type === undefined) throw new Error(`graph ${graph.name} has no input or output ${id}`);
    return type;
  };
  const place = `graph ${graph.name}`;
  const remedy = "if memory ran out, train with a smaller batch; else report it with what ONNX Runtime says";
  const { ort } = await withModelFile(graph, types, reader, (path) =>
    openOrt(path, { threads, place, remedy }),
  );
  const failed = (cause: unknown): never => {
    throw ortError(place, "ONNX Runtime failed in a training step", cause, remedy);
  };
  try {
    for (const { input, output } of state) {
      const value = toOrt(input, typeOf(input), await initial(input));
      await ort.call("hold", value, output).catch(failed);
    }
  } catch (error) {
    ort.close();
    throw error;
  }
  const held = new Set(state.map(({ input }) => input));
  const fed = graph.inputs.filter((id) => !held.has(id));
  const turns = new Turns("training engine");
  return {
    run: (feeds) =>
      turns.take(async () => {
        const values = fed.map((id) => toOrt(id, typeOf(id), feeds.get(id)));
        const results = await ort.call("run", values).catch(failed);
        return new Map(results.map((value) => [value[0], fromOrt(typeOf(value[0]), value)]));
      }),
    read: (id) =>
      turns.take(async () => {
        if (!held.has(id)) throw new Error(`graph ${graph.name} has no state ${id}`);
        return fromOrt(typeOf(id), await ort.call("read", id).catch(failed));
      }),
    close: () => turns.close(async () => ort.close()),
  };
}

/** Types of all inputs and outputs. Throws where a state value does not come back as it went in. */
function portTypes({ graph, state }: StepProgram): ReadonlyMap<ValueId, PortType> {
  const types = new Map([...graph.inputs, ...graph.outputs].map((id) => [id, portType(graph, id)]));
  for (const { input, output } of state) {
    const [before, after] = [input, output].map((id) => {
      const type = types.get(id);
      return type === undefined ? "nothing" : printType(type);
    });
    if (before !== after || before === "nothing") {
      throw new Error(`graph ${graph.name}: state ${input} is ${before}, and ${output} is ${after}`);
    }
  }
  return types;
}
