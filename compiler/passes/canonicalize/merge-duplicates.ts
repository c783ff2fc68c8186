import type { Constant } from "../../../ir/constant/constant.js";
import { subgraphsOf, type ValueId } from "../../../ir/graph/graph.js";
import type { GraphEditor } from "../../rewrite/graph-editor.js";

/** Longer inline constants are compared by identity only. */
const MOST_COMPARED = 1 << 16;

/**
 * Common subexpressions: nodes of the same op, operands and attributes, and equal constants, become one.
 * Gives how many there were.
 */
export function mergeDuplicates(edit: GraphEditor): number {
  let merged = 0;
  const constants = new Map<string, ValueId>();
  for (const [id, constant] of [...edit.constants]) {
    if (!edit.isRead(id)) continue;
    const key = constantKey(constant);
    const first = key === undefined ? undefined : constants.get(key);
    if (first !== undefined) {
      edit.replaceUses(id, first);
      merged++;
    } else if (key !== undefined) constants.set(key, id);
  }
  const values = new Map<string, readonly ValueId[]>();
  for (const snapshot of edit.nodes()) {
    // Merging an earlier node may have renamed this one's operands.
    const node = edit.producer(snapshot.outputs[0]);
    if (node === undefined || subgraphsOf(node).length > 0) continue;
    const key = `${node.op}(${node.inputs.join(",")})${JSON.stringify(node.attrs)}${node.outputs.length}`;
    const first = values.get(key);
    if (first === undefined) {
      values.set(key, node.outputs);
      continue;
    }
    for (const [i, id] of node.outputs.entries()) edit.replaceUses(id, first[i] ?? id);
    merged++;
  }
  return merged;
}

function constantKey({ dtype, shape, source }: Constant): string | undefined {
  const recipe = sourceKey(source);
  return recipe === undefined ? undefined : `${dtype}[${shape.join(",")}]${recipe}`;
}

function sourceKey(source: Constant["source"]): string | undefined {
  switch (source.kind) {
    case "inline":
      return source.bytes.length > MOST_COMPARED ? undefined : Buffer.from(source.bytes).toString("latin1");
    case "file":
      return `file ${source.file} ${source.offset} ${source.length}`;
    case "dims":
      return `dims ${source.dims.join(",")}`;
    case "fill":
      return `fill ${Object.is(source.value, -0) ? "-0" : source.value}`;
    case "reshape":
    case "cast":
    case "transpose": {
      const of = constantKey(source.of);
      return of === undefined ? undefined : `${source.kind} ${of}`;
    }
    case "rows": {
      const of = constantKey(source.of);
      return of === undefined ? undefined : `rows ${source.start} ${of}`;
    }
    default:
      return undefined;
  }
}
