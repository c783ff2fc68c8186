import { type Dim, symbolsOf } from "../../ir/dim.js";
import { type Graph, shapeOf, typeOf, type ValueId } from "../../ir/graph/graph.js";
import type { ProgramPort } from "../../ir/program/program.js";
import { isBatchFree } from "./batch.js";
import type { Port } from "./graph.js";

export interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Whether the leading axis of samples is dynamic. */
  readonly dynamicBatch: boolean;
}

/** What the axis of samples is called where the source's name is not known. */
const BATCH = "batch_size";

/**
 * Inputs and outputs with the names, element types and axes of the model that a graph was recognized in. Batch axes,
 * which recognition binds to one sample, are dynamic again where the graph allows.
 */
export function portsOfModel(
  imported: Graph,
  recognized: Graph,
  batchAxes: ReadonlyMap<ValueId, number | null>,
): Ports {
  const renamed = sourceSymbols(imported, recognized);
  const free = isBatchFree(recognized);
  const batch = free ? batchSymbol(imported, recognized, batchAxes) : undefined;
  const port = (id: ValueId): Port => {
    const { dtype, shape: source } = typeOf(imported, id);
    const { shape } = typeOf(recognized, id);
    const dims = shape?.map((dim, axis) => {
      const given = source?.[axis];
      if (batchAxes.get(id) === axis && batch !== undefined && dim === 1) {
        if (typeof given === "string") return given;
        return given === undefined || source === null ? batch : dim;
      }
      return nameOf(dim, renamed);
    });
    return { name: id, dtype, dims: dims ?? null };
  };
  return {
    inputs: recognized.inputs.map(port),
    outputs: recognized.outputs.map(port),
    dynamicBatch: batch !== undefined,
  };
}

/** Those of a bundle, as its program lists them. */
export function portsOfProgram(
  graph: Graph,
  program: { readonly inputs: readonly ProgramPort[]; readonly outputs: readonly ProgramPort[] },
): Ports {
  const known = new Map([...program.inputs, ...program.outputs].map((port) => [port.name, port]));
  const free = isBatchFree(graph);
  let dynamicBatch = false;
  const port = (id: ValueId): Port => {
    const found = known.get(id);
    const dims = shapeOf(graph, id).map((dim, axis) => {
      if (!free || dim !== 1 || found?.batchAxis !== axis) return nameOf(dim, new Map());
      dynamicBatch = true;
      return BATCH;
    });
    return { name: id, dtype: found?.dtype ?? typeOf(graph, id).dtype, dims };
  };
  const [inputs, outputs] = [graph.inputs.map(port), graph.outputs.map(port)];
  return { inputs, outputs, dynamicBatch };
}

/** The name of a size; a sum of sizes has none. */
function nameOf(dim: Dim, renamed: ReadonlyMap<string, string>): number | string | null {
  if (typeof dim === "number") return dim;
  return symbolsOf(dim)[0] === dim ? (renamed.get(dim) ?? dim) : null;
}

/** Symbol of the recognized graph → that of the imported one. */
function sourceSymbols(imported: Graph, recognized: Graph): ReadonlyMap<string, string> {
  const renamed = new Map<string, string>();
  for (const id of recognized.inputs) {
    const source = typeOf(imported, id).shape;
    for (const [axis, dim] of (typeOf(recognized, id).shape ?? []).entries()) {
      const given = source?.[axis];
      if (typeof dim === "string" && typeof given === "string" && !renamed.has(dim)) renamed.set(dim, given);
    }
  }
  return renamed;
}

/** The source's name for the number of samples: that of the first input that has one. */
function batchSymbol(
  imported: Graph,
  recognized: Graph,
  batchAxes: ReadonlyMap<ValueId, number | null>,
): string | undefined {
  for (const id of recognized.inputs) {
    const axis = batchAxes.get(id);
    const dim = typeof axis === "number" ? typeOf(imported, id).shape?.[axis] : undefined;
    if (typeof dim === "string") return dim;
  }
  return undefined;
}
