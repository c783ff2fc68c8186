import {
  type AttentionParams,
  attention,
  hasTerms,
  sharedHeads,
  watAttentionScratch,
} from "../../ir/families/attention.js";
import type { Counts, Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import { rereads, sumOf, times, watCounts, work } from "../wat/counts.js";
import { scalarOffset, watArgs, watFloat } from "../wat/values.js";
import { termValues } from "./terms.js";

export const attentionWat = kernelTemplates(attention.forms.wat, {
  configs: () => [{ variant: "attention", queries: 16, keys: 64 }],
  values: {
    attention: (params, config, { signature }) => ({
      args: watArgs(signature),
      keys: scalarOffset(signature),
      heads: params.heads,
      headDim: params.headDim,
      scale: watFloat(Math.fround(params.scale)),
      tileQ: config.queries,
      keyBlock: config.keys,
      ...watAttentionScratch(config),
      chunks: Math.floor(params.headDim / 8),
      ...termValues(params),
      loss: watFloat(Math.fround(params.maskLoss ?? 0)),
      lowest: hasTerms(params) ? "-1e30" : "-inf",
      kvHead: sharedHeads(params) === undefined ? "$head" : "$kvHead",
    }),
  },
  cost: { attention: counts },
});

/** Queries of a group, whose scores are one vector for each key. */
const GROUP = 4;

/** Counts by the loops of `attention.wat.hbs`, with as many keys as there are queries. */
function counts(
  params: AttentionParams,
  { queries, keys: keyBlock }: { readonly queries: number; readonly keys: number },
  { rows, speed }: Launched,
): Counts {
  const { heads, headDim } = params;
  const keys = rows;
  const keyBlocks = Math.ceil(keys / keyBlock);
  const groups = Math.ceil(rows / GROUP);
  // Scores of two keys, channels in vectors; then eight sums over lanes.
  const scores = sumOf([
    times(work({ loads: 2 + GROUP, f32: 4 * GROUP, other: 8 }), headDim / 4),
    work({ other: 30, stores: 2, f32: 6 }),
  ]);
  // The largest, and exponentials; terms of scores besides.
  const terms = hasTerms(params) ? 12 : 0;
  const softmax = work({ loads: 2, stores: 2, other: 12 + terms, f32: 16 });
  // Sums of 8 channels of values, for a key.
  const values = work({ loads: 2 + GROUP, f32: 4 * GROUP, other: 3 });
  // What is made anew for each block of keys: sums of values, which are corrected.
  const block = work({ other: 60, loads: (GROUP * headDim) / 4, stores: (GROUP * headDim) / 4 });
  const group = sumOf([
    times(scores, Math.ceil(keys / 2)),
    times(softmax, keys),
    times(values, keys * Math.ceil(headDim / 8)),
    times(block, keyBlocks),
  ]);
  const tiles = heads * Math.ceil(rows / queries);
  const keyBytes = 4 * headDim * 2;
  return watCounts(
    tiles,
    times(group, groups * heads),
    [
      { l2: 0, memory: 4 * 4 * rows * heads * headDim },
      // A block of keys and values stays for the groups of a tile, a head's for its tiles.
      rereads(keyBlock * keyBytes, groups * keyBlocks * heads, speed),
      rereads(keys * keyBytes, tiles, speed),
    ],
    speed,
  );
}
