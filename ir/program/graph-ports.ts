import { type Graph, STEPS, shapeOf, type ValueId } from "../graph/graph.js";
import { inputOf, roleOf } from "../models/index.js";
import type { ProgramPort } from "./program.js";

/**
 * What a graph says of the port of its input or output. Element type and batch axis are those of the model it was made from:
 * passes widen elements, and look at one sample.
 */
export function portOf(graph: Graph, id: ValueId): Pick<ProgramPort, "name" | "role" | "shape"> {
  const role = roleOf(graph.model, id);
  const [first, ...others] = shapeOf(graph, id);
  // What follows the schedule is given for all steps at once.
  const scheduled = role !== null && inputOf(role).varies === "schedule" && first === 1;
  const shape = scheduled ? [STEPS, ...others] : shapeOf(graph, id);
  return { name: id, role, shape };
}

/** A port as callers see it, wherever it lies. */
export function withoutBuffer({ buffer: _, ...port }: ProgramPort): Omit<ProgramPort, "buffer"> {
  return port;
}
