import { type Dim, symbolsOf } from "../../ir/dim.js";
import type { Graph } from "../../ir/graph/graph.js";

/**
 * Symbols that stand for the batch, bound to 1: those that lead an input of rank 1, or of rank 3 and more, and are no
 * other axis of any input. (A leading axis of rank 2 alone may be tokens: `img_ids` is [T, 3]. Inputs of four and more axes
 * may hold values of several blocks first.)
 */
export function batchBindings(graph: Graph): Readonly<Record<string, Dim>> {
  const leading = new Set<string>();
  const inner = new Set<string>();
  for (const id of graph.inputs) {
    const shape = graph.types.get(id)?.shape ?? [];
    for (const [axis, dim] of shape.entries()) {
      if (axis > 0 && shape.length < 4) for (const name of summands(dim)) inner.add(name);
      else if (axis === 0 && shape.length !== 2 && symbolsOf(dim)[0] === dim) leading.add(dim as string);
    }
  }
  return Object.fromEntries([...leading].filter((name) => !inner.has(name)).map((name) => [name, 1]));
}

/** Symbols that count by themselves in a size, as n does in n + m, and not as how often others do, as b does in b·n. */
function summands(dim: Dim): readonly string[] {
  const terms = String(dim)
    .split(/[+-]/)
    .filter((term) => term !== "");
  return terms.flatMap((term) => {
    const names = symbolsOf(term);
    return names.length === 1 ? names : [];
  });
}
