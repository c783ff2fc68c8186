import { elementCount } from "../../ir/dim.js";
import { type Graph, typeOf, type ValueId, type ValueType } from "../../ir/graph/graph.js";
import type { Builder } from "../gradient/builder.js";

/** How far a student is from what it shall compute. */
export interface Loss {
  /** What a step is fed for it. */
  readonly inputs: ReadonlyMap<ValueId, ValueType>;
  /** Adds it to a graph that has teacher and student: a value of one element. `student` gives what a teacher's value is there. */
  write(b: Builder, student: (id: ValueId) => ValueId): ValueId;
}

/** The mean squared distance of the velocities; the teacher computes its own in the same step. */
export function towardsTeacher(teacher: Graph): Loss {
  const [velocity] = teacher.outputs;
  if (velocity === undefined) throw new Error("a model without a result");
  return {
    inputs: new Map(),
    write: (b, student) => meanSquare(b, student(velocity), velocity),
  };
}

/** The inputs that have what a result shall be, and what its mean squared distance from that counts. */
export function targetOf(output: ValueId): { readonly value: ValueId; readonly weight: ValueId } {
  return { value: `${output}.target`, weight: `${output}.weight` };
}

/** Σ over the results: weight · mean squared distance from what the step is fed, so that no teacher is computed. */
export function towardsTargets(graph: Graph): Loss {
  const targets = graph.outputs.map((output) => ({ output, ...targetOf(output) }));
  return {
    inputs: new Map(
      targets.flatMap(({ output, value, weight }): [ValueId, ValueType][] => [
        [value, typeOf(graph, output)],
        [weight, { dtype: "f32", shape: [] }],
      ]),
    ),
    write: (b, student) =>
      targets
        .map(({ output, value, weight }) => b.mul(meanSquare(b, student(output), value), weight))
        .reduce((sum, term) => b.add(sum, term)),
  };
}

function meanSquare(b: Builder, a: ValueId, target: ValueId): ValueId {
  const count = Number(elementCount(b.shape(target)));
  return b.mul(b.sumSquares(b.sub(a, target)), 1 / count);
}
