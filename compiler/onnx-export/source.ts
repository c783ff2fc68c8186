import { join } from "node:path";
import { PROGRAM_FILE } from "../../ir/format/manifest.js";
import type { Graph } from "../../ir/graph/graph.js";
import { parseProgram } from "../../ir/program/json.js";
import { ListedFiles } from "../bundle/listed-files.js";
import { readBundleGraph } from "../bundle/read-graph.js";
import { type FileReader, fileReader } from "../file-reader.js";
import { findGroups } from "../find-groups.js";
import { importModel } from "../import-model.js";
import { type Group, type Ternarize, UNLIMITED } from "../pass.js";
import { runPasses } from "../passes/run-passes.js";
import { ternarize } from "../passes/ternarize.js";
import { batchAxesOf, recognition, requireFlux, TERNARY_NEEDS_FLUX } from "../recognize/recognition.js";
import { type Ports, portsOfModel, portsOfProgram } from "./ports.js";

/** A graph with ternary weights, and how its source names what goes in and out. */
export interface ExportSource {
  readonly graph: Graph;
  readonly reader: FileReader;
  readonly ports: Ports;
}

/**
 * A model's graph, recognized and with ternary block weights, before anything is fused; `calibrated`: with those still to be
 * made. `onGroups` counts the weights that are looked through for groups, and may throw.
 */
export async function readModelSource(
  input: string,
  name: string,
  method: Ternarize | "calibrated",
  group: Group = "auto",
  onGroups?: (done: number, total: number) => void,
): Promise<ExportSource> {
  const reader = fileReader();
  try {
    const imported = { ...importModel(input), name };
    const found = recognition(imported, reader);
    const recognized = found.graph;
    if (method !== "none") requireFlux(found, TERNARY_NEEDS_FLUX);
    const isFitted = method === "exact" || method === "absmean";
    const options = {
      ternarize: method === "calibrated" ? "none" : method,
      group: isFitted ? await findGroups(recognized, reader, group, onGroups) : group,
      activations: "f32",
      bindings: {},
      sizes: {},
      limits: UNLIMITED,
    } as const;
    const graph = runPasses(recognized, [ternarize], { reader, options });
    return { graph, reader, ports: portsOfModel(imported, graph, batchAxesOf(imported, recognized)) };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** The graph that a bundle's kernels compute. */
export async function readBundleSource(folder: string): Promise<ExportSource> {
  const listed = new ListedFiles(folder);
  const { graph, reader } = await readBundleGraph(folder, listed);
  try {
    const program = parseProgram(listed.text(PROGRAM_FILE), join(folder, PROGRAM_FILE));
    return { graph, reader, ports: portsOfProgram(graph, program) };
  } catch (error) {
    reader.close();
    throw error;
  }
}
