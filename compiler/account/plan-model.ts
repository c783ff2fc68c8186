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
import type { Group, Ternarize } from "../pass.js";
import { type Account, type AccountOptions, accountFor } from "./account.js";

export interface PlanRequest extends Omit<AccountOptions, "drawing">, DrawingRequest {
  readonly ternarize: Ternarize;
  /** Inputs of a row that share a scale; row if absent, and then no weights are read. */
  readonly group?: Group | undefined;
  readonly activations: Activations;
  readonly attention?: AttentionProducts | undefined;
  /** How the weight file holds ternary codes; trits if absent. */
  readonly storage?: TernaryStorage | undefined;
}

export interface PlannedModel extends Planned {
  readonly target: Target;
  readonly account: Account;
}

/** What `compile` would make of a model, up to its kernels. */
export function planModel(
  imported: Graph,
  recognized: Graph,
  reader: ByteReader,
  request: PlanRequest,
): PlannedModel {
  const { target, ternarize, group = "row", activations, attention = "bf16" } = request;
  checkActivations(target, activations);
  checkAttention(target, activations, attention);
  const drawing = drawingOf(recognized, request);
  const planned = planGraph(recognized, reader, {
    target,
    options: { ternarize, group, activations },
    sizes: largestSizes(drawing),
    batchAxes: batchAxesOf(imported, recognized),
    dtypes: portTypesOf(imported),
    attention,
    codes: request.storage ?? "trits",
  });
  const account = accountFor(recognized, reader, planned.lowered.program, { ...request, drawing });
  return { ...planned, target, account };
}
