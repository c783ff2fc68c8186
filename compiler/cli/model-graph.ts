import type { ByteReader } from "../../ir/constant/constant.js";
import type { Graph } from "../../ir/graph/graph.js";
import { withAdapters } from "../compile-graph.js";
import { importModel } from "../import-model.js";
import type { LoraReport } from "../lora/merge-plan.js";
import type { LoraRequest } from "../lora/read.js";
import { LORA_NEEDS_FLUX, recognition, requireFlux } from "../recognize/recognition.js";

/**
 * A model file as a graph to interpret. Adapters are merged by role, so into a recognized model, which takes one sample
 * at a time.
 */
export function modelGraph(
  path: string,
  { lora = [] }: { readonly lora?: readonly LoraRequest[] },
  reader: ByteReader,
): { readonly graph: Graph; readonly lora: readonly LoraReport[] } {
  const imported = importModel(path);
  if (lora.length === 0) return { graph: imported, lora: [] };
  const found = recognition(imported, reader);
  requireFlux(found, LORA_NEEDS_FLUX);
  const { graph, reports } = withAdapters(found.graph, lora, reader);
  return { graph, lora: reports };
}
