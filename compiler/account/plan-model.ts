import type { ByteReader } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import type { TernaryStorage } from "../../ir/ternary/storage.js";
import {
  type Activations,
  type AttentionProducts,
  checkActivations,
  checkAttention,
  type Target,
} from "../../targets/index.js";
import { batchAxesOf, type Planned, planGraph, portTypesOf } from "../compile-graph.js";
import { type DrawingRequest, drawingOf, largestSizes } from "../drawing.js";
import { forPipeline } from "../for-pipeline.js";
import type { FoundGroups, Group, Ternarize } from "../pass.js";
import { ternarizedBy } from "../passes/ternarize.js";
import { planBranches } from "../residual/plan-branches.js";
import { checkResidualRank } from "../residual/residual.js";
import { type Account, type AccountOptions, accountFor } from "./account.js";

export interface PlanRequest extends Omit<AccountOptions, "drawing">, DrawingRequest {
  readonly ternarize: Ternarize;
  /** Inputs of a row that share a scale; row if absent, and then no weights are read. */
  readonly group?: Group | FoundGroups | undefined;
  /** As `compileModel` takes it; 0 if absent. */
  readonly residualRank?: number | undefined;
  readonly activations: Activations;
  readonly attention?: AttentionProducts | undefined;
  /** How the weight file holds ternary codes; trits if absent. */
  readonly storage?: TernaryStorage | undefined;
}

export interface PlannedModel extends Planned {
  readonly target: Target;
  readonly account: Account;
}

/** What `compile` would make of a model, up to its kernels. Throws TRITC_E_ACTIVATIONS, TRITC_E_RESIDUAL_RANK and those of the passes. */
export function planModel(
  imported: Graph,
  found: Graph,
  reader: ByteReader,
  request: PlanRequest,
): PlannedModel {
  const recognized = forPipeline(found, request.pipeline);
  const { target, ternarize, group = "row", activations, attention = "bf16" } = request;
  const { residualRank: rank = 0 } = request;
  checkActivations(target, activations);
  checkAttention(target, activations, attention);
  checkResidualRank(rank, ternarize);
  const branched =
    rank === 0 || ternarize === "none"
      ? undefined
      : planBranches(recognized, ternarizedBy(recognized, reader, ternarize, group), { rank, file: "" });
  const drawing = drawingOf(recognized, request);
  const planned = planGraph(branched?.graph ?? recognized, reader, {
    target,
    options: {
      ...{ group, activations, branches: branched?.branches },
      ternarize: branched === undefined ? ternarize : "none",
    },
    sizes: largestSizes(drawing),
    batchAxes: batchAxesOf(imported, recognized),
    dtypes: portTypesOf(imported),
    attention,
    codes: request.storage ?? "trits",
  });
  const account = accountFor(recognized, reader, planned.lowered.program, { ...request, drawing });
  return { ...planned, target, account };
}
