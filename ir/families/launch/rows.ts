import type { AdalnParams } from "../adaln.js";
import type { AdalnQuantizeParams } from "../adaln-quantize.js";
import type { GatherParams } from "../gather.js";
import type { LayerNormParams } from "../layer-norm.js";
import type { QkNormRopeParams } from "../qk-norm-rope.js";
import type { QuantizeRowsParams } from "../quantize-rows.js";
import type { ReduceParams } from "../reduce.js";
import type { RopeTableParams } from "../rope-table.js";
import type { SoftmaxParams } from "../softmax.js";
import type { TimestepEmbeddingParams } from "../timestep-embedding.js";
import { form, threads } from "./form.js";
import {
  cudaLoop,
  cudaRow,
  cudaSharedRows,
  cudaTileRows,
  groupFault,
  SHARED_ROWS,
  vectorFault,
  watRows,
  watScratchRows,
  wgslRow,
} from "./row-forms.js";

export const adalnForms = {
  wat: { adaln: watRows<AdalnParams>() },
  wgsl: { row: wgslRow<AdalnParams>() },
  cuda: { row: cudaSharedRows<AdalnParams>() },
} as const;

export const adalnQuantizeForms = {
  wat: { "adaln-quantize": watScratchRows<AdalnQuantizeParams>() },
  wgsl: { row: wgslRow<AdalnQuantizeParams>() },
  cuda: { row: cudaSharedRows<AdalnQuantizeParams>() },
} as const;

export const layerNormForms = {
  wat: { "layer-norm": watRows<LayerNormParams>() },
  wgsl: { row: wgslRow<LayerNormParams>() },
  cuda: { row: cudaSharedRows<LayerNormParams>() },
} as const;

const inParts = ({ parts }: QuantizeRowsParams) =>
  parts === undefined ? "the row lies in one matrix" : undefined;
const inOne = ({ parts }: QuantizeRowsParams) =>
  parts === undefined ? undefined : "the row lies in several matrices";

export const quantizeRowsForms = {
  wat: {
    "quantize-rows": watRows(inOne),
    parts: watScratchRows(inParts),
  },
  wgsl: { row: wgslRow(inOne), parts: wgslRow(inParts) },
  cuda: {
    row: form<QuantizeRowsParams>()({
      dimensions: { ...SHARED_ROWS, vector: [4, 8] },
      needs: () => ["sm_70"],
      refuses: ({ x }, config) => groupFault(config) ?? vectorFault(x, config.vector),
      launch: (_, config) => cudaLoop(config.threads, config.threads / config.group),
    }),
  },
} as const;

export const qkNormRopeForms = {
  wat: { "qk-norm-rope": watRows<QkNormRopeParams>() },
  wgsl: {
    heads: form<QkNormRopeParams>()({
      /** Invocations that share a head. */
      dimensions: { threads: [64], lanes: [16, 64] },
      launch: (_, config) => ({
        workgroup: threads(config.threads),
        tile: [1, 1, 1],
        sharedBytes: config.threads * 4,
      }),
    }),
  },
  cuda: {
    heads: form<QkNormRopeParams>()({
      dimensions: { ...SHARED_ROWS, vector: [4, 8] },
      needs: () => ["sm_70"],
      refuses: ({ x }, config) => groupFault(config) ?? vectorFault(x, config.vector),
      launch: ({ heads }, config) =>
        cudaLoop(config.threads, Math.max(1, Math.floor(config.threads / config.group / heads))),
    }),
  },
} as const;

export const gatherForms = {
  wat: { gather: watRows<GatherParams>() },
  wgsl: { rows: wgslRow<GatherParams>() },
  cuda: { rows: cudaTileRows<GatherParams>() },
} as const;

export const ropeTableForms = {
  wat: { "rope-table": watRows<RopeTableParams>() },
  wgsl: { pairs: wgslRow<RopeTableParams>() },
  cuda: { pairs: cudaTileRows<RopeTableParams>() },
} as const;

export const timestepEmbeddingForms = {
  wat: { "timestep-embedding": watRows<TimestepEmbeddingParams>() },
  wgsl: { sines: wgslRow<TimestepEmbeddingParams>() },
  cuda: { sines: cudaRow<TimestepEmbeddingParams>() },
} as const;

export const softmaxForms = {
  wat: { softmax: watRows<SoftmaxParams>() },
  wgsl: { row: wgslRow<SoftmaxParams>() },
  cuda: { row: cudaRow<SoftmaxParams>() },
} as const;

export const reduceForms = {
  wat: { reduce: watRows<ReduceParams>() },
  wgsl: { row: wgslRow<ReduceParams>() },
  cuda: { row: cudaRow<ReduceParams>() },
} as const;
