import { storedRowBytes } from "../../ir/families/contract/narrow.js";
import type { NodeOf, ValueId } from "../../ir/graph/graph.js";
import type { BinaryFn } from "../../ir/ops/elementwise.js";
import type { Held } from "../../ir/ops/held.js";
import type { MemoryLimits, Pass } from "../pass.js";
import { GraphEditor } from "../rewrite/graph-editor.js";
import { intsConstant } from "../rewrite/values.js";
import { cutRows } from "./split-weights.js";

/**
 *   %y = gather(%table, %ids)
 * becomes, with rows of %table from r on as %above,
 *   %y0 = gather(%below, min(%ids, r − 1))   %y1 = gather(%above, max(%ids, r) − r)
 *   %y = where(%ids < r, %y0, %y1)
 *
 * where %table is a constant that is larger than one kernel argument may be, in as many parts as it takes. Indices below 0
 * count from the end, and are made others before.
 */
export const splitTables: Pass = {
  name: "split-tables",
  summary: "cuts tables that are looked up and larger than a binding of the device into several",
  run(graph, { options: { limits } }) {
    const edit = new GraphEditor(graph);
    for (const node of graph.nodes) {
      if (node.op !== "gather" || node.attrs.axis !== 0) continue;
      const [table, ids] = node.inputs;
      const constant = graph.constants.get(table ?? "");
      const [rows = 0, columns = 0] = constant?.shape ?? [];
      if (constant?.shape.length !== 2 || table == null || ids == null) continue;
      const step = rowsThatFit(rows, rowBytes(columns, node.attrs.held), limits);
      if (step === undefined) continue;
      edit.at(node);
      const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);
      const cut = (start: number) => cutRows(edit, table, constant, start, Math.min(step, rows - start));
      putParts(edit, node, ids, { rows, step, parts: starts.map((start) => [start, cut(start)]) });
    }
    return edit.finish();
  },
};

/** Bytes of a row of a table on the device. */
function rowBytes(columns: number, held: Held | undefined): number {
  return (held === undefined ? undefined : storedRowBytes(held, columns)) ?? columns * 4;
}

/** Rows of each part, or undefined where the table fits. */
function rowsThatFit(rows: number, bytes: number, limits: MemoryLimits): number | undefined {
  const most = Math.min(limits.maxBindingBytes, limits.maxBufferBytes);
  return rows * bytes <= most ? undefined : Math.max(1, Math.floor(most / bytes));
}

interface Parts {
  readonly rows: number;
  /** Of each part but the last. */
  readonly step: number;
  readonly parts: readonly (readonly [start: number, table: ValueId])[];
}

function putParts(
  edit: GraphEditor,
  node: NodeOf<"gather">,
  ids: ValueId,
  { rows, step, parts }: Parts,
): void {
  const { dtype } = edit.type(ids);
  const integer = (value: number) => {
    const of = intsConstant([value], []);
    return edit.constant(dtype === of.dtype ? of : { dtype, shape: [], source: { kind: "cast", of } });
  };
  const binary = (fn: BinaryFn, a: ValueId, b: ValueId) => edit.add("binary", [a, b], { fn });
  const fromEnd = binary("less", ids, integer(0));
  const at = edit.add("where", [fromEnd, binary("add", ids, integer(rows)), ids], {});
  const last = edit.constant(intsConstant([-1]));
  let found: ValueId | undefined;
  for (const [start, table] of parts) {
    const length = Math.min(step, rows - start);
    const within = binary("min", binary("max", at, integer(start)), integer(start + length - 1));
    const own = start === 0 ? within : binary("sub", within, integer(start));
    const taken = edit.add("gather", [table, own], node.attrs);
    if (found === undefined) {
      found = taken;
      continue;
    }
    // One truth for each row.
    const isHere = edit.add("unsqueeze", [binary("greater-equal", at, integer(start)), last], {});
    const inputs = [isHere, taken, found];
    if (start + length < rows) found = edit.add("where", inputs, {});
    else edit.put({ op: "where", inputs, outputs: node.outputs, attrs: {} });
  }
}
