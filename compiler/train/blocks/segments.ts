import { outOfRange } from "../../../ir/bounds.js";
import type { Shard } from "../../shard.js";

/** Consecutive blocks: `first` and all before `end`. */
export interface Range {
  readonly first: number;
  readonly end: number;
}

/**
 * One of several segments of consecutive blocks, which have about as many weights each, and a block at least. Throws
 * TRITC_E_RANGE where there are more segments than blocks.
 */
export function segmentOf(weights: readonly number[], { index, count }: Shard): Range {
  if (count > weights.length)
    throw outOfRange("shard", `one of ${weights.length} blocks at most`, `${index}/${count}`);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const before = (k: number) => weights.slice(0, k).reduce((sum, weight) => sum + weight, 0);
  const borders = [0];
  for (let i = 1; i < count; i++) {
    const ideal = (total * i) / count;
    let border = (borders.at(-1) ?? 0) + 1;
    const most = weights.length - (count - i);
    while (border < most && Math.abs(before(border + 1) - ideal) < Math.abs(before(border) - ideal)) border++;
    borders.push(border);
  }
  borders.push(weights.length);
  return { first: borders[index - 1] ?? 0, end: borders[index] ?? weights.length };
}
