import { setImmediate } from "node:timers/promises";
import type { ByteReader, Constant } from "../ir/constant/constant.js";
import type { Graph } from "../ir/graph/graph.js";
import { countOf } from "../ir/tensor.js";
import type { LosslessGroup } from "./analysis/found-group.js";
import { interruptible } from "./interruptible.js";
import type { FoundGroups, Group } from "./pass.js";
import { blockLinears, groupOf } from "./passes/ternarize.js";
import { Asking } from "./sparse-files.js";

/**
 * The groups that each weight of the blocks gets, rows where it says nothing, for passes that then read nothing. Weights that are ternary already are
 * read whole, others by their first row, `onProgress` counting weights.
 */
export async function findGroups(
  graph: Graph,
  reader: ByteReader,
  wanted: Group,
  onProgress?: (done: number, total: number) => void,
): Promise<FoundGroups> {
  const groups = new Map<Constant, LosslessGroup>();
  if (wanted === "row") return groups;
  const weights = [...blockLinears(graph).values()].map(({ weight }) => weight);
  const total = weights.reduce((sum, { shape }) => sum + countOf(shape), 0);
  const asking = new Asking();
  let done = 0;
  for (const weight of weights) {
    const group =
      groups.get(weight) ?? asking.attempt(() => interruptible(() => groupOf(weight, wanted, reader)));
    if (group !== undefined) groups.set(weight, group);
    done += countOf(weight.shape);
    onProgress?.(done, total);
    await setImmediate();
  }
  asking.finish();
  return groups;
}
