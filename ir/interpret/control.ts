import type { Graph } from "../graph/graph.js";
import type { OpAttrs } from "../ops/index.js";
import { allocate, type Tensor } from "../tensor.js";
import { concat, part } from "./shapes.js";
import {
  axisOf,
  type Context,
  i64,
  isSequence,
  OpError,
  type Operands,
  type Section,
  scalar,
  type Value,
  withShape,
} from "./value.js";

function truth(value: Value): boolean {
  if (isSequence(value)) throw new OpError("a condition was expected, not a sequence");
  return scalar(value) !== 0;
}

function flag(value: boolean): Tensor {
  return { dtype: "bool", shape: [], data: Uint8Array.of(value ? 1 : 0) };
}

/** Values that one scan output collected, stacked along a new axis. */
function stacked(items: readonly Tensor[], axis: number, empty: () => Tensor): Tensor {
  const first = items[0];
  if (first === undefined) return empty();
  const at = axisOf(axis, first.shape.length + 1);
  return concat(
    items.map((t) => withShape(t, [...t.shape.slice(0, at), 1, ...t.shape.slice(at)])),
    at,
  );
}

/** A scan output of no iterations: no rows; the other sizes are those of `sample`, or what the graph knows. */
function emptyScan(
  body: Graph,
  result: number,
  output: number,
  sample: Value | undefined,
  context: Context,
): Tensor {
  const type = body.types.get(body.outputs[result] ?? "") ?? context.outputType(output);
  const known = sample !== undefined && !isSequence(sample) ? sample.shape : type?.shape;
  const sizes = (known ?? []).map((d) => (typeof d === "number" ? d : 0));
  const dtype = type?.dtype ?? "f32";
  return { dtype, shape: [0, ...sizes], data: allocate(dtype, 0, context.wide) };
}

/** What one iteration would give, to know the shapes of scan outputs; nothing if the body cannot run. */
function tryBody(body: Graph, inputs: readonly Value[], context: Context): readonly Value[] {
  try {
    return context.run(body, inputs);
  } catch {
    return [];
  }
}

function collect(rows: readonly Tensor[][], values: readonly Value[]): void {
  values.forEach((value, i) => {
    if (isSequence(value)) throw new OpError("a scan output is a tensor, not a sequence");
    rows[i]?.push(value);
  });
}

/** Body: (iteration, condition, ...carried) → (condition, ...carried, ...scanned). */
function loop(x: Operands, body: Graph, context: Context): readonly Value[] {
  const trips = x.optional(0);
  const limit = trips === null ? Infinity : scalar(trips);
  const condition = x.optional(1);
  let going = condition === null || truth(condition);
  const carriedCount = x.count - 2;
  let carried: readonly Value[] = Array.from({ length: carriedCount }, (_, i) => x.value(i + 2));
  const rows: Tensor[][] = Array.from({ length: body.outputs.length - 1 - carriedCount }, () => []);
  for (let i = 0; i < limit && going; i++) {
    context.iterate();
    const results = context.run(body, [i64([i], []), flag(going), ...carried]);
    const next = results[0];
    if (next === undefined) throw new OpError("the body gives no condition");
    going = truth(next);
    carried = results.slice(1, 1 + carriedCount);
    collect(rows, results.slice(1 + carriedCount));
  }
  const unused = rows.some((items) => items.length === 0);
  const samples = unused ? tryBody(body, [i64([0], []), flag(true), ...carried], context) : [];
  const scanned = rows.map((items, k) => {
    const result = 1 + carriedCount + k;
    return stacked(items, 0, () => emptyScan(body, result, carriedCount + k, samples[result], context));
  });
  return [...carried, ...scanned];
}

/** Body: (...state, ...slices) → (...state, ...scanned). */
function scan(x: Operands, attrs: OpAttrs["scan"], context: Context): readonly Value[] {
  const { body, scanInputs } = attrs;
  const stateCount = x.count - scanInputs;
  let state: readonly Value[] = Array.from({ length: stateCount }, (_, i) => x.value(i));
  const inputs = Array.from({ length: scanInputs }, (_, i) => {
    const t = x.tensor(stateCount + i);
    return {
      t,
      axis: axisOf(attrs.inputAxes[i] ?? 0, t.shape.length),
      reversed: attrs.inputReversed[i] ?? false,
    };
  });
  const length = inputs[0]?.t.shape[inputs[0].axis] ?? 0;
  const rows: Tensor[][] = Array.from({ length: body.outputs.length - stateCount }, () => []);
  for (let i = 0; i < length; i++) {
    context.iterate();
    const slices = inputs.map(({ t, axis, reversed }) => {
      const piece = part(t, axis, reversed ? length - 1 - i : i, 1);
      return withShape(
        piece,
        t.shape.filter((_, a) => a !== axis),
      );
    });
    const results = context.run(body, [...state, ...slices]);
    state = results.slice(0, stateCount);
    collect(rows, results.slice(stateCount));
  }
  const scanned = rows.map((items, k) => {
    const order = attrs.outputReversed[k] ? items.toReversed() : items;
    return stacked(order, attrs.outputAxes[k] ?? 0, () =>
      emptyScan(body, stateCount + k, stateCount + k, undefined, context),
    );
  });
  return [...state, ...scanned];
}

export const CONTROL: Section<"control"> = {
  if: (x, { thenBranch, elseBranch }, c) => c.run(truth(x.tensor(0)) ? thenBranch : elseBranch, []),
  loop: (x, { body }, c) => loop(x, body, c),
  scan: (x, attrs, c) => scan(x, attrs, c),
};
