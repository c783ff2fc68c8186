import type { Graph, ValueId, ValueType } from "../../../ir/graph/graph.js";
import { typeOf } from "../../../ir/graph/graph.js";
import type { Operation } from "../operation.js";

/** The type of a value that may change its shape from one iteration to the next. */
function varying(type: ValueType): ValueType {
  return { ...type, shape: null };
}

function outputTypes(graph: Graph): readonly ValueType[] {
  return graph.outputs.map((id) => varying(typeOf(graph, id)));
}

function sameKind(
  n: Operation,
  what: string,
  expected: ValueType | undefined,
  found: ValueType | undefined,
): void {
  const show = (t: ValueType | undefined) =>
    t === undefined ? "nothing" : `${t.sequence ? "sequence of " : ""}${t.dtype}`;
  if (show(expected) !== show(found)) n.fail(`${what} changes its type`, show(expected), show(found));
}

export function If(n: Operation) {
  const condition = n.input(0);
  n.requireType(condition, ["bool"]);
  const then = n.body("then_branch", []);
  const otherwise = n.body("else_branch", []);
  const types = outputTypes(then);
  const others = outputTypes(otherwise);
  if (types.length !== others.length || types.length < n.outputCount) {
    n.fail(
      "the branches give another number of outputs",
      `${n.outputCount}`,
      `${types.length} and ${others.length}`,
    );
  }
  types.forEach((type, k) => {
    sameKind(n, `output ${k} of the else branch`, type, others[k]);
  });
  n.results("if", [condition], { thenBranch: then, elseBranch: otherwise }, types);
}

export function Loop(n: Operation) {
  const tripCount = n.optional(0);
  const condition = n.optional(1);
  if (tripCount !== null) n.requireType(tripCount, ["i64"]);
  if (condition !== null) n.requireType(condition, ["bool"]);
  const carried = n.rest(2);
  const carriedTypes = carried.map((id) => varying(n.type(id)));
  const scalars: readonly ValueType[] = [
    { dtype: "i64", shape: [] },
    { dtype: "bool", shape: [] },
  ];
  const body = n.body("body", [...scalars, ...carriedTypes]);
  const [again, ...results] = outputTypes(body);
  if (again?.dtype !== "bool")
    n.fail("the loop body gives no condition first", "bool", again?.dtype ?? "nothing");
  carriedTypes.forEach((type, k) => {
    sameKind(n, `loop-carried value ${k}`, type, results[k]);
  });
  n.results("loop", [tripCount, condition, ...carried], { body }, results);
}

export function Scan(n: Operation) {
  if (n.opset < 9) n.refuse("Scan before opset 9 is not supported");
  const operands = n.rest(0);
  const scanInputs = n.int("num_scan_inputs");
  const states = operands.length - scanInputs;
  if (scanInputs < 1 || states < 0)
    n.fail("num_scan_inputs does not fit", `1 to ${operands.length}`, `${scanInputs}`);
  const types = operands.map((id: ValueId) => varying(n.type(id)));
  const body = n.body("body", types);
  const results = outputTypes(body);
  for (let k = 0; k < states; k++) sameKind(n, `state ${k}`, types[k], results[k]);
  const scanOutputs = results.length - states;
  const list = (name: string, length: number) => {
    const values = n.ints(name) ?? Array.from({ length }, () => 0);
    return values.length === length
      ? values
      : n.fail(`the attribute "${name}" has the wrong length`, `${length} numbers`, `${values.length}`);
  };
  n.results(
    "scan",
    operands,
    {
      body,
      scanInputs,
      inputAxes: list("scan_input_axes", scanInputs),
      inputReversed: list("scan_input_directions", scanInputs).map((d) => d === 1),
      outputAxes: list("scan_output_axes", scanOutputs),
      outputReversed: list("scan_output_directions", scanOutputs).map((d) => d === 1),
    },
    results,
  );
}
