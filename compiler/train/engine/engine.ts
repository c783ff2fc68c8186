import type { ByteReader } from "../../../ir/constant/constant.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import type { Tensor } from "../../../ir/tensor.js";

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
