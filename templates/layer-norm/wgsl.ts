import { type LayerNormParams, layerNorm } from "../../ir/families/layer-norm.js";
import { kernelTemplates } from "../kernel-templates.js";
import { wgslStreams } from "../wgsl/streams.js";
import { type SubgroupRow, subgroupRowFold, subgroupRows } from "../wgsl/subgroups.js";

export const layerNormWgsl = kernelTemplates(layerNorm.forms.wgsl, {
  configs: ({ device }) => [{ variant: "row", threads: 64 }, ...subgroupRows(device)],
  values: {
    row: (params, { threads }) => values(params, threads, 0),
    subgroup: (params, { threads, lanes }) => values(params, threads, lanes),
  },
  cost: {
    row: wgslStreams(layerNorm, () => ({ passes: 3, vectors: 1, folds: 2 })),
    subgroup: wgslStreams(layerNorm, (_, config: SubgroupRow) => ({
      ...{ passes: 3, vectors: 1, folds: 2, fold: subgroupRowFold(config) },
    })),
  },
});

function values({ c, epsilon, scale, bias }: LayerNormParams, threads: number, lanes: number) {
  return { c, epsilon, scaled: scale, biased: bias, threads, lanes };
}
