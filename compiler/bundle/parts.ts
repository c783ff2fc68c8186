/** The parts of a bundle that its program is made of: weights, program, graph, kernels, and the manifest that lists them. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BUNDLE_FORMAT,
  BUNDLE_FORMAT_VERSION,
  GRAPH_FILE,
  MANIFEST_FILE,
  type Manifest,
  type ManifestFile,
  PROGRAM_FILE,
  WEIGHTS_FILE,
} from "../../ir/format/manifest.js";
import type { VaeTiles } from "../../ir/format/vae-tiles.js";
import type { Graph } from "../../ir/graph/graph.js";
import { printGraph } from "../../ir/graph/print.js";
import { withoutBuffer } from "../../ir/program/graph-ports.js";
import { printProgram } from "../../ir/program/json.js";
import type { KernelArtifact } from "../codegen/generate-kernels.js";
import type { Drawing } from "../drawing.js";
import { interruptible } from "../interruptible.js";
import type { LoweredProgram } from "../lower/index.js";
import { Journal } from "../pack/journal.js";
import { PackSource } from "../pack/source-files.js";
import { storedGraph } from "../pack/stored-graph.js";
import { layoutWeights, type PackedLayout } from "../pack/weights-file.js";
import { type PackOptions, type PackReport, writeWeights } from "../pack/write-weights.js";
import { packageVersion } from "../version.js";
import { kernelFiles } from "./kernel-files.js";
import { digestFile } from "./listed-files.js";

export interface ProgramContents {
  readonly graph: Graph;
  readonly lowered: LoweredProgram;
  readonly kernels: readonly KernelArtifact[];
  readonly options: Manifest["options"];
  /** What it draws; null for a graph that draws no pictures. */
  readonly drawing: Drawing | null;
  readonly memory: Manifest["memory"];
  /** Of a VAE that was planned for tiles. */
  readonly tiles?: VaeTiles | undefined;
}

/** Where parts are written. */
export interface PartsPlace {
  readonly folder: string;
  /** File that says which weights are written already. */
  readonly journal: string;
  /** Called where an earlier run has left something that this one goes on with. */
  onResumed(): void;
  /** Called when there is something that a later run can use. */
  onKept(): void;
}

export interface PartsOptions extends Omit<PackOptions, "source" | "journal" | "records"> {
  /** Remarks for people. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/** What became of weights. */
export interface WrittenWeights {
  /** Size of `weights.safetensors`. */
  readonly weightBytes: number;
  readonly packing: PackReport;
}

/** Writes weights, from where an earlier run with the same weights has stopped, then program, graph and kernels. */
export async function writeParts(
  place: PartsPlace,
  contents: ProgramContents,
  options: PartsOptions,
): Promise<WrittenWeights> {
  const { graph, lowered, kernels } = contents;
  const layout = layoutWeights(lowered.tensors);
  const packing = await resumeWeights(place, layout, options);
  await writePart(
    place.folder,
    PROGRAM_FILE,
    interruptible(() => printProgram(lowered.program)),
  );
  const stored = interruptible(() => printGraph(storedGraph(graph, layout, options.reader)));
  await writePart(place.folder, GRAPH_FILE, `${stored}\n`);
  await mkdir(join(place.folder, "kernels"));
  for (const kernel of kernels) {
    const { source, binary } = kernelFiles(kernel);
    await writePart(place.folder, source, kernel.source);
    if (binary !== null && kernel.binary !== null) await writePart(place.folder, binary, kernel.binary);
  }
  return { weightBytes: layout.fileBytes, packing };
}

/** Writes the manifest, which lists every other file below the folder. */
export async function writeManifest(folder: string, contents: ProgramContents): Promise<void> {
  const manifest = manifestOf(contents, await hashFiles(folder));
  await writePart(folder, MANIFEST_FILE, `${JSON.stringify(manifest, undefined, 1)}\n`);
}

/** The bundle's folder is renamed when it is complete, so its files only have to reach the disk. */
export function writePart(folder: string, path: string, data: string | Uint8Array): Promise<void> {
  return writeFile(join(folder, path), data, { flush: true });
}

async function resumeWeights(
  { folder, journal: file, onResumed, onKept }: PartsPlace,
  layout: PackedLayout,
  options: PartsOptions,
): Promise<PackReport> {
  const source = PackSource.of(layout);
  const { journal, records, isOther } = await Journal.open(file, source.identity);
  if (isOther)
    options.onNotice?.("the model or the options are not those of the unfinished work: starting anew");
  if (records.length > 0) onResumed();
  try {
    return await writeWeights(join(folder, WEIGHTS_FILE), layout, { ...options, source, journal, records });
  } finally {
    if (journal.hasRecords) onKept();
    await journal.close();
  }
}

function manifestOf(contents: ProgramContents, files: readonly ManifestFile[]): Manifest {
  const { lowered, kernels, options, drawing, memory, tiles } = contents;
  return {
    format: BUNDLE_FORMAT,
    formatVersion: BUNDLE_FORMAT_VERSION,
    tritc: packageVersion(),
    target: lowered.program.target,
    options,
    resolutions: drawing?.resolutions ?? [],
    ...(tiles === undefined ? {} : { tiles }),
    sampling: drawing?.sampling ?? null,
    model: lowered.program.model,
    inputs: lowered.program.inputs.map(withoutBuffer),
    outputs: lowered.program.outputs.map(withoutBuffer),
    memory,
    tensors: lowered.tensors.map(({ name, dtype, shape, encoding }) => ({ name, dtype, shape, encoding })),
    kernels: kernels.map((kernel) => ({ id: kernel.id, family: kernel.family, ...kernelFiles(kernel) })),
    files,
  };
}

/** Every file below a folder, by path, with size and hash. */
async function hashFiles(folder: string): Promise<readonly ManifestFile[]> {
  const paths: string[] = [];
  const walk = async (below: string) => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else paths.push(path);
    }
  };
  await walk("");
  paths.sort((a, b) => (a < b ? -1 : 1));
  const files: ManifestFile[] = [];
  for (const path of paths) {
    files.push({ path, ...(await digestFile(join(folder, path))) });
  }
  return files;
}
