import type { Graph, Node, NodeOf, ValueId } from "../../../ir/graph/graph.js";
import { renameValues } from "../../analysis/subgraphs.js";
import { intsConstant } from "../../rewrite/values.js";
import type { Sweep } from "./sweep.js";

/** Loops that would run longer stay loops. */
const MOST_TRIPS = 4096;

/** If(constant, a, b) = a or b, in place. */
export function dissolveIf(sweep: Sweep, node: Node): boolean {
  if (node.op !== "if") return false;
  const condition = sweep.ints(node.inputs[0] ?? "")?.[0];
  if (typeof condition !== "number") return false;
  const results = inline(sweep, condition !== 0 ? node.attrs.thenBranch : node.attrs.elseBranch, []);
  for (const [i, id] of node.outputs.entries()) sweep.alias(id, results[i] ?? missing(id));
  return true;
}

/**
 * A loop whose trip count and conditions are constant becomes its iterations, one after the other; its
 * scanned outputs are stacked with unsqueeze and concat. Other loops stay as they are.
 */
export function unrollLoop(sweep: Sweep, node: Node): boolean {
  return node.op === "loop" && sweep.unrolling(node, () => unroll(sweep, node));
}

function unroll(sweep: Sweep, node: NodeOf<"loop">): boolean {
  const [tripId, conditionId, ...carriedIds] = node.inputs;
  const trips = tripId === null || tripId === undefined ? MOST_TRIPS + 1 : sweep.ints(tripId)?.[0];
  let condition = conditionId === null || conditionId === undefined ? 1 : sweep.ints(conditionId)?.[0];
  if (typeof trips !== "number" || typeof condition !== "number") return false;
  const emitted = sweep.nodes.length;
  let carried: readonly ValueId[] = carriedIds.map((id) => id ?? missing("a carried value"));
  const scanned: ValueId[][] = [];
  for (let trip = 0; trip < trips && condition !== 0; trip++) {
    if (trip >= MOST_TRIPS) return giveUp(sweep, emitted);
    const index = sweep.constant(intsConstant([trip], []), "trip");
    const flag = sweep.constant(
      { dtype: "bool", shape: [], source: { kind: "fill", value: 1 } },
      "condition",
    );
    const [next, ...results] = inline(sweep, node.attrs.body, [index, flag, ...carried]);
    const decided: unknown = sweep.ints(next ?? "")?.[0];
    if (typeof decided !== "number") return giveUp(sweep, emitted);
    condition = decided;
    carried = results.slice(0, carried.length);
    for (const [i, id] of results.slice(carried.length).entries()) {
      const list = scanned[i] ?? [];
      list.push(id);
      scanned[i] = list;
    }
  }
  const stacked = node.outputs.length - carried.length;
  if (stacked > 0 && scanned.length < stacked) return giveUp(sweep, emitted);
  for (const [i, id] of node.outputs.entries()) {
    const value = carried[i];
    if (value !== undefined) sweep.alias(id, value);
    else stack(sweep, scanned[i - carried.length] ?? [], id);
  }
  return true;
}

function giveUp(sweep: Sweep, emitted: number): false {
  sweep.nodes.length = emitted;
  return false;
}

/** [x₀, x₁, …] → values of shape [n, ...] */
function stack(sweep: Sweep, items: readonly ValueId[], output: ValueId): void {
  const axes = sweep.constant(intsConstant([0]), "axes");
  const rows = items.map((item) => {
    const row = sweep.freshId(output);
    sweep.visit({ op: "unsqueeze", inputs: [item, axes], outputs: [row], attrs: {} });
    return row;
  });
  sweep.visit({ op: "concat", inputs: rows, outputs: [output], attrs: { axis: 0 } });
}

/** Visits a subgraph's nodes under fresh names, with values for its inputs; gives its outputs. */
function inline(sweep: Sweep, graph: Graph, args: readonly ValueId[]): readonly ValueId[] {
  const names = new Map<ValueId, ValueId>();
  for (const [i, id] of graph.inputs.entries()) names.set(id, args[i] ?? missing(id));
  for (const [id, constant] of graph.constants)
    if (!sweep.constants.has(id)) sweep.defineConstant(id, constant);
  const name = (id: ValueId) => names.get(id) ?? id;
  for (const node of graph.nodes) {
    for (const id of node.outputs) names.set(id, sweep.freshId(id));
    sweep.visit({ ...renameValues(node, name), outputs: node.outputs.map(name) });
  }
  return graph.outputs.map((id) => sweep.resolve(name(id)));
}

function missing(what: string): never {
  throw new Error(`${what} is missing`);
}
