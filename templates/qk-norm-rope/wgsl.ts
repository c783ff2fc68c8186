import { type QkNormRopeParams, qkNormRope } from "../../ir/families/qk-norm-rope.js";
import type { Launched } from "../choice/cost.js";
import { kernelTemplates } from "../kernel-templates.js";
import { BARRIER } from "../wgsl/counts.js";
import { wgslStreams } from "../wgsl/streams.js";
import { type SubgroupRow, subgroupFold, subgroupRows } from "../wgsl/subgroups.js";

export const qkNormRopeWgsl = kernelTemplates(qkNormRope.forms.wgsl, {
  // A single wide head takes the whole workgroup.
  configs: ({ params, device }) => [
    { variant: "heads", threads: 64, lanes: params.heads === 1 ? 64 : 16 },
    ...subgroupRows(device),
  ],
  values: {
    heads: (params, config) => ({ ...headValues(params, config), subgroups: false }),
    subgroup: (params, config) => ({ ...headValues(params, config), subgroups: true }),
  },
  cost: {
    heads: wgslStreams(qkNormRope, headStreams),
    subgroup: wgslStreams(qkNormRope, (params, config: SubgroupRow, launched) => ({
      ...headStreams(params, config, launched),
      fold: subgroupFold(config.lanes),
    })),
  },
  header: () => ({ names: { cos: "cosines", sin: "sines" } }),
});

function headValues(
  { heads, headDim, norm, epsilon, weight, rope }: QkNormRopeParams,
  { threads, lanes }: SubgroupRow,
) {
  return { heads, headDim, threads, lanes, norm, epsilon, weighted: norm && weight, rope };
}

/** Heads that `lanes` invocations share, so many at a time, with a sum of every invocation's own over theirs. */
function headStreams(
  { heads, headDim, norm, rope }: QkNormRopeParams,
  { threads, lanes }: { readonly threads: number; readonly lanes: number },
  { speed }: Launched,
) {
  const turns = Math.ceil(heads / (threads / lanes));
  const shares = rope ? headDim / 2 : headDim;
  const channels = (Math.ceil(shares / lanes) * lanes) / shares;
  return {
    ...{ passes: norm ? 2 : 1, vectors: heads, folds: norm ? turns : 0 },
    unfilled: (channels * turns * threads) / (lanes * heads),
    fold: {
      other: 2 * BARRIER + 3 * lanes,
      special: 2,
      shared: [
        [1, speed.lanes / 4],
        [lanes, Math.max(1, speed.lanes / lanes)],
      ],
    },
  } as const;
}
