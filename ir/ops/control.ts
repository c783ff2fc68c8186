import type { Dim } from "../dim.js";
import type { Graph, ValueType } from "../graph/graph.js";
import { MANY, op } from "./definition.js";
import type { Operands } from "./operands.js";
import { PLAIN } from "./traits.js";

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

/** Control flow. Branches and bodies read outer values by id. */
export const control = {
  /** (condition) */
  if: op({
    operands: 1,
    results: [1, MANY],
    attrs: { thenBranch: "graph", elseBranch: "graph" },
    infer: (o, { thenBranch, elseBranch }) =>
      o.eachResult((i) => common(outputType(o, thenBranch, i), outputType(o, elseBranch, i))),
    traits: PLAIN,
  }),
  /** (tripCount?, condition?, ...carried) */
  loop: op({
    operands: [2, MANY],
    results: [1, MANY],
    attrs: { body: "graph" },
    infer: (o, { body }) => {
      const carried = o.count - 2;
      return o.eachResult((i) => {
        const type = outputType(o, body, i + 1);
        if (i < carried) return common(type, o.type(i + 2));
        const trips = o.ints(0)?.[0];
        return {
          dtype: type.dtype,
          shape: type.shape === null || trips === undefined ? null : [trips, ...type.shape],
        };
      });
    },
    traits: PLAIN,
  }),
  scan: op({
    operands: [1, MANY],
    results: [1, MANY],
    attrs: {
      body: "graph",
      scanInputs: "number",
      inputAxes: "numbers",
      inputReversed: "bools",
      outputAxes: "numbers",
      outputReversed: "bools",
    },
    infer: (o, { body, scanInputs, inputAxes, outputAxes }) => {
      const states = o.count - scanInputs;
      const length: Dim | undefined = o.shape(states)?.at(inputAxes[0] ?? 0);
      return o.eachResult((i) => {
        const type = outputType(o, body, i);
        if (i < states) return type;
        if (type.shape === null || length === undefined) return { dtype: type.dtype, shape: null };
        const axis = o.axis(outputAxes[i - states] ?? 0, type.shape.length + 1);
        return {
          dtype: type.dtype,
          shape: [...type.shape.slice(0, axis), length, ...type.shape.slice(axis)],
        };
      });
    },
    traits: PLAIN,
  }),
};
