import type { Dim } from "../dim.js";
import type { Graph, ValueType } from "../graph/graph.js";
import type { Operands } from "./operands.js";
import { type InferRules, tensor } from "./rules.js";

function outputType(o: Operands, graph: Graph, i: number): ValueType {
  const id = graph.outputs[i];
  const type = id === undefined ? undefined : graph.types.get(id);
  return type ?? o.fail(`a body with a typed result ${i}`, id ?? "none");
}

/** What two branches or two iterations have in common. */
function common(a: ValueType, b: ValueType): ValueType {
  const same = a.shape !== null && b.shape !== null && a.shape.length === b.shape.length;
  return same && a.shape.every((d, i) => d === b.shape?.[i]) ? a : { ...a, shape: null };
}

export const CONTROL: InferRules<
  | "if"
  | "loop"
  | "scan"
  | "sequence-construct"
  | "sequence-insert"
  | "sequence-at"
  | "sequence-length"
  | "concat-from-sequence"
  | "split-to-sequence"
> = {
  if: (o, { thenBranch, elseBranch }) =>
    o.node.outputs.map((_, i) => common(outputType(o, thenBranch, i), outputType(o, elseBranch, i))),
  loop: (o, { body }) => {
    const carried = o.count - 2;
    return o.node.outputs.map((_, i) => {
      const type = outputType(o, body, i + 1);
      if (i < carried) return common(type, o.type(i + 2));
      const trips = o.ints(0)?.[0];
      return {
        dtype: type.dtype,
        shape: type.shape === null || trips === undefined ? null : [trips, ...type.shape],
      };
    });
  },
  scan: (o, { body, scanInputs, inputAxes, outputAxes }) => {
    const states = o.count - scanInputs;
    const length: Dim | undefined = o.shape(states)?.at(inputAxes[0] ?? 0);
    return o.node.outputs.map((_, i) => {
      const type = outputType(o, body, i);
      if (i < states) return type;
      if (type.shape === null || length === undefined) return { dtype: type.dtype, shape: null };
      const axis = o.axis(outputAxes[i - states] ?? 0, type.shape.length + 1);
      return { dtype: type.dtype, shape: [...type.shape.slice(0, axis), length, ...type.shape.slice(axis)] };
    });
  },
  "sequence-construct": (o, { dtype }) => [
    { dtype: dtype ?? (o.count > 0 ? o.dtype(0) : "f32"), shape: null, sequence: true },
  ],
  "sequence-insert": (o) => [{ dtype: o.dtype(0), shape: null, sequence: true }],
  "sequence-at": (o) => tensor(o.dtype(0), null),
  "sequence-length": () => tensor("i64", []),
  "concat-from-sequence": (o) => tensor(o.dtype(0), null),
  "split-to-sequence": (o) => [{ dtype: o.dtype(0), shape: null, sequence: true }],
};
