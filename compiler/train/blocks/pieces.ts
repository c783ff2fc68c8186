import { type Graph, shapeOf, type ValueId } from "../../../ir/graph/graph.js";
import { countOf } from "../../../ir/tensor.js";
import type { BatchedGraph } from "../../calibrate/transformer.js";
import { bindSizes } from "../bind-sizes.js";
import { cutModel, type Pieces } from "./cut.js";

/** A value that a block reads or makes. */
export interface Crossing {
  /** Numbers the crossings of a model. */
  readonly index: number;
  /** Of a batch. */
  readonly shape: readonly number[];
  /** Whether it is one for each state, along its first axis, or the same for all of them. */
  readonly perState: boolean;
  /** The block that makes it, from 0 on; -1: what comes before the blocks, or an input of the model. */
  readonly madeBy: number;
  /** The last block that reads it; infinite where none does, and it is only learned. */
  readonly lastReader: number;
}

/** A model in pieces of known sizes, and what crosses from one to the other. */
export interface CutModel extends Pieces {
  readonly batch: number;
  /** All of it, of the same sizes. */
  readonly whole: Graph;
  readonly crossings: ReadonlyMap<ValueId, Crossing>;
}

/** Cuts a model for batches of this size. */
export function cutForBatches(
  { graph, batchAxes }: BatchedGraph,
  symbols: Readonly<Record<string, number>>,
  batch: number,
): CutModel {
  const bind = (size: number) => bindSizes(graph, batchAxes, { batch: size, symbols });
  const bound = bind(batch);
  const larger = bind(batch + 1);
  const pieces = cutModel(bound);
  const sizes = (of: Graph, id: ValueId) => shapeOf(of, id).map(Number);
  const crossings = new Map<ValueId, Crossing>();
  for (const [k, { inputs, outputs }] of pieces.blocks.entries()) {
    for (const id of inputs) {
      const known = crossings.get(id) ?? crossing(id, -1);
      crossings.set(id, { ...known, lastReader: k });
    }
    for (const id of outputs) crossings.set(id, crossing(id, k));
  }
  return { ...pieces, batch, whole: bound, crossings };

  function crossing(id: ValueId, madeBy: number): Crossing {
    const shape = sizes(bound, id);
    const perState = countOf(sizes(larger, id)) !== countOf(shape);
    if (perState && shape[0] !== batch)
      throw new Error(`${id} has its samples along another axis than the first`);
    return { index: crossings.size, shape, perState, madeBy, lastReader: Number.POSITIVE_INFINITY };
  }
}
