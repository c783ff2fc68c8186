import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
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
import type { Graph } from "../../ir/graph/graph.js";
import { printGraph } from "../../ir/graph/print.js";
import { withoutBuffer } from "../../ir/program/graph-ports.js";
import { printProgram } from "../../ir/program/json.js";
import { SOURCE_ENDINGS } from "../../targets/source-files.js";
import type { KernelArtifact } from "../codegen/generate-kernels.js";
import type { Drawing } from "../drawing.js";
import { interruptible } from "../interruptible.js";
import type { LoweredProgram } from "../lower/index.js";
import { Journal } from "../pack/journal.js";
import { PackSource } from "../pack/source-files.js";
import { storedGraph } from "../pack/stored-graph.js";
import { layoutWeights, type PackedLayout } from "../pack/weights-file.js";
import { type PackReport, writeWeights } from "../pack/write-weights.js";
import { packageVersion } from "../version.js";
import { digestFile } from "./listed-files.js";
import { copyPipeline } from "./pipeline-files.js";
import type { WorkFolder } from "./work-folder.js";

export interface BundleContents {
  readonly graph: Graph;
  readonly lowered: LoweredProgram;
  readonly kernels: readonly KernelArtifact[];
  readonly options: Manifest["options"];
  /** What it draws; null for a graph that draws no pictures. */
  readonly drawing: Drawing | null;
  readonly memory: Manifest["memory"];
  /** Folder of tokenizers, encoders, VAE and scheduler to copy. */
  readonly pipeline: string | undefined;
}

export interface BundleOptions {
  readonly reader: ByteReader;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** What the process may take, in bytes. */
  readonly memory?: number | undefined;
  /** What it takes already; looked up if absent. */
  readonly taken?: number | undefined;
  /** Threads that pack; see `writeWeights`. */
  readonly threads?: number | undefined;
  /** Whether to go on from what a stopped run has left, and to leave it for the next one. */
  readonly resume: boolean;
  /** Remarks for people. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/**
 * Writes a bundle into its work folder. Its bytes depend on the model, the options and the CUDA toolkit only: no times, no
 * paths. Returns the size of `weights.safetensors`.
 */
export async function writeBundle(
  work: WorkFolder,
  contents: BundleContents,
  options: BundleOptions,
): Promise<{ readonly weightBytes: number; readonly packing: PackReport }> {
  const { graph, lowered, kernels, drawing } = contents;
  const layout = layoutWeights(lowered.tensors);
  await work.begin(keptFiles(options.resume));
  const folder = work.bundle;
  // The folder is renamed when it is complete, so its files only have to reach the disk.
  const write = (path: string, data: string | Uint8Array) =>
    writeFile(join(folder, path), data, { flush: true });
  const packing = await resumeWeights(work, layout, options);
  await write(
    PROGRAM_FILE,
    interruptible(() => printProgram(lowered.program)),
  );
  const stored = interruptible(() => printGraph(storedGraph(graph, layout, options.reader)));
  await write(GRAPH_FILE, `${stored}\n`);
  await mkdir(join(folder, "kernels"));
  for (const kernel of kernels) {
    await write(sourcePath(kernel), kernel.source);
    if (kernel.binary !== null) await write(binaryPath(kernel), kernel.binary);
  }
  const { inputs, outputs, model } = lowered.program;
  // What writes modules takes half a second to load, in which no event comes in: the rest of a compilation does without it.
  const { entryModule } = await import("../deploy/module.js");
  const entry = entryModule({ inputs, outputs, drawing, model });
  await write("index.js", entry.js);
  await write("index.d.ts", entry.types);
  // Whatever package the bundle lies in, its entry is an ES module.
  await write("package.json", `${JSON.stringify({ type: "module", main: "index.js" }, null, 2)}\n`);
  if (contents.pipeline !== undefined) {
    await copyPipeline(contents.pipeline, join(folder, "pipeline"), options.signal);
  }
  options.signal?.throwIfAborted();
  const manifest = manifestOf(contents, await hashFiles(folder));
  await write(MANIFEST_FILE, `${JSON.stringify(manifest, undefined, 1)}\n`);
  return { weightBytes: layout.fileBytes, packing };
}

/** Files that a stopped run leaves for the next one. */
export function keptFiles(resume: boolean): readonly string[] {
  return resume ? [WEIGHTS_FILE] : [];
}

/** Writes the weights, from where an earlier run with the same weights has stopped. */
async function resumeWeights(
  work: WorkFolder,
  layout: PackedLayout,
  options: BundleOptions,
): Promise<PackReport> {
  const source = PackSource.of(layout);
  const { journal, records, isOther } = await Journal.open(work.journal, source.identity);
  if (isOther)
    options.onNotice?.("the model or the options are not those of the unfinished work: starting anew");
  if (records.length > 0) options.onNotice?.(`going on from the unfinished work in ${work.path}`);
  try {
    return await writeWeights(join(work.bundle, WEIGHTS_FILE), layout, {
      ...options,
      source,
      journal,
      records,
    });
  } finally {
    work.isWorthKeeping ||= journal.hasRecords;
    await journal.close();
  }
}

function manifestOf(contents: BundleContents, files: readonly ManifestFile[]): Manifest {
  const { lowered, kernels, options, drawing, memory } = contents;
  return {
    format: BUNDLE_FORMAT,
    formatVersion: BUNDLE_FORMAT_VERSION,
    tritc: packageVersion(),
    target: lowered.program.target,
    options,
    resolutions: drawing?.resolutions ?? [],
    sampling: drawing?.sampling ?? null,
    model: lowered.program.model,
    inputs: lowered.program.inputs.map(withoutBuffer),
    outputs: lowered.program.outputs.map(withoutBuffer),
    memory,
    tensors: lowered.tensors.map(({ name, dtype, shape, encoding }) => ({ name, dtype, shape, encoding })),
    kernels: kernels.map((kernel) => ({
      id: kernel.id,
      family: kernel.family,
      source: sourcePath(kernel),
      binary: kernel.binary === null ? null : binaryPath(kernel),
    })),
    files,
  };
}

function sourcePath({ id, language }: KernelArtifact): string {
  return `kernels/${id}.${SOURCE_ENDINGS[language]}`;
}

function binaryPath({ id, format }: KernelArtifact): string {
  return `kernels/${id}.${format}`;
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
