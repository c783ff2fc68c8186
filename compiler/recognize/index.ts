import type { Graph } from "../../ir/graph/graph.js";
import type { Pass } from "../pass.js";
import { describeModel } from "./describe-model.js";
import { describeOp, isKnown } from "./known-ops.js";
import { recognizeAttention } from "./recognize-attention.js";
import { recognizeGelu } from "./recognize-gelu.js";
import { recognizeLayerNorm } from "./recognize-layer-norm.js";
import { recognizeLinear } from "./recognize-linear.js";
import { recognizeModulation } from "./recognize-modulation.js";
import { recognizeRmsNorm } from "./recognize-rms-norm.js";
import { recognizeSilu } from "./recognize-silu.js";
import { recognizeTextMask } from "./recognize-text-mask.js";

/** Recognition, in order; the input is canonical (`canonicalize`). */
export const RECOGNIZE_PASSES: readonly Pass[] = [
  recognizeLinear,
  recognizeLayerNorm,
  recognizeRmsNorm,
  recognizeGelu,
  recognizeSilu,
  recognizeModulation,
  recognizeTextMask,
  recognizeAttention,
  describeModel,
];

export interface RecognitionSummary {
  /** Recognized operations by name; norms and `concat` among them. */
  readonly counts: Readonly<Record<string, number>>;
  /** Operations that recognition should have absorbed in a FLUX transformer, most frequent first. */
  readonly unrecognized: readonly { readonly op: string; readonly count: number }[];
}

/** Counts what recognition found and what it left. */
export function summarizeRecognition(graph: Graph): RecognitionSummary {
  const counts: Record<string, number> = {};
  const rest: Record<string, number> = {};
  for (const node of graph.nodes) {
    const known = isKnown(graph, node);
    const into = known ? counts : rest;
    const name = describeOp(node);
    into[name] = (into[name] ?? 0) + 1;
  }
  const unrecognized = Object.entries(rest)
    .map(([op, count]) => ({ op, count }))
    .sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
  return { counts, unrecognized };
}
