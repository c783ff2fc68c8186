import type { ByteReader } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { withAdapters } from "../compile-graph.js";
import { withReferenceInputs } from "../for-pipeline.js";
import { importModel } from "../import-model.js";
import type { LoraReport } from "../lora/merge-plan.js";
import type { LoraRequest } from "../lora/read.js";
import { withReferencePass } from "../passes/cache-references.js";
import { LORA_NEEDS_FLUX, recognition, requireFlux } from "../recognize/recognition.js";

export interface ModelGraphOptions {
  readonly lora?: readonly LoraRequest[] | undefined;
  /** Whether references are inputs of their own, as `Flux2KleinKVPipeline` has them. */
  readonly references?: boolean;
}

/**
 * A model file as a graph to interpret. Adapters are merged by role, and references have a pass of their own by the parts that
 * inputs play, so both take a recognized model, which takes one sample at a time.
 */
export function modelGraph(
  path: string,
  { lora = [], references = false }: ModelGraphOptions,
  reader: ByteReader,
): { readonly graph: Graph; readonly lora: readonly LoraReport[] } {
  const imported = importModel(path);
  if (lora.length === 0 && !references) return { graph: imported, lora: [] };
  const found = recognition(imported, reader);
  if (lora.length > 0) requireFlux(found, LORA_NEEDS_FLUX);
  const { graph, reports } = withAdapters(found.graph, lora, reader);
  if (!references || graph.model === undefined)
    return { graph: lora.length > 0 ? graph : imported, lora: reports };
  return { graph: withReferencePass(withReferenceInputs(graph, path)), lora: reports };
}
