import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WEIGHTS_FILE } from "../../ir/format/manifest.js";
import { NETWORK_NAMES, type NetworkName } from "../networks/part.js";
import {
  type PartsOptions,
  type PartsPlace,
  type ProgramContents,
  type WrittenWeights,
  writeManifest,
  writePart,
  writeParts,
} from "./parts.js";
import { copyPipeline } from "./pipeline-files.js";
import type { WorkFolder } from "./work-folder.js";

export interface BundleContents extends ProgramContents {
  /** Folder of tokenizers, encoders, VAE and scheduler to copy. */
  readonly pipeline: string | undefined;
  /** Networks of the pipeline that are bundles of their own, in its place of theirs. */
  readonly networks: readonly NetworkContents[];
}

export interface NetworkContents extends ProgramContents {
  readonly name: NetworkName;
}

export interface BundleOptions extends Omit<PartsOptions, "onProgress"> {
  /** Bytes that are packed, and of all; of the network that is named, else of the transformer. */
  readonly onProgress?: ((done: number, total: number, network: NetworkName | null) => void) | undefined;
  /** Whether to go on from what a stopped run has left, and to leave it for the next one. */
  readonly resume: boolean;
}

/** What became of the weights of the transformer, and of each network. */
export interface WrittenBundle extends WrittenWeights {
  readonly networks: ReadonlyMap<NetworkName, WrittenWeights>;
}

const PIPELINE = "pipeline";

/**
 * Writes a bundle into its work folder. Its bytes depend on the model, the options and the CUDA toolkit only: no times, no
 * paths.
 */
export async function writeBundle(
  work: WorkFolder,
  contents: BundleContents,
  options: BundleOptions,
): Promise<WrittenBundle> {
  await work.begin(keptFiles(options.resume));
  const folder = work.bundle;
  const place = placesIn(work, options);
  const packing = (network: NetworkName | null): PartsOptions => ({
    ...options,
    onProgress: (done, total) => options.onProgress?.(done, total, network),
  });
  const written = await writeParts(place(folder, work.journal), contents, packing(null));
  const { inputs, outputs, model } = contents.lowered.program;
  // What writes modules takes half a second to load, in which no event comes in: the rest of a compilation does without it.
  const { entryModule } = await import("../deploy/module.js");
  const entry = entryModule({ inputs, outputs, drawing: contents.drawing, model });
  await writePart(folder, "index.js", entry.js);
  await writePart(folder, "index.d.ts", entry.types);
  // Whatever package the bundle lies in, its entry is an ES module.
  await writePart(
    folder,
    "package.json",
    `${JSON.stringify({ type: "module", main: "index.js" }, null, 2)}\n`,
  );
  const networks = new Map<NetworkName, WrittenWeights>();
  for (const network of contents.networks) {
    const at = join(folder, PIPELINE, network.name);
    const journal = join(work.prepared, "networks", network.name);
    await mkdir(at, { recursive: true });
    await mkdir(dirname(journal), { recursive: true });
    if (!options.resume) await rm(journal, { force: true });
    networks.set(network.name, await writeParts(place(at, journal), network, packing(network.name)));
    await writeManifest(at, network);
  }
  if (contents.pipeline !== undefined) {
    const compiled = contents.networks.map(({ name }) => name);
    await copyPipeline(contents.pipeline, join(folder, PIPELINE), compiled, options.signal);
  }
  options.signal?.throwIfAborted();
  await writeManifest(folder, contents);
  return { ...written, networks };
}

/** Files that a stopped run leaves for the next one. */
export function keptFiles(resume: boolean): readonly string[] {
  if (!resume) return [];
  return [WEIGHTS_FILE, ...NETWORK_NAMES.map((name) => `${PIPELINE}/${name}/${WEIGHTS_FILE}`)];
}

/** Places of a work folder: what is found there is said once. */
function placesIn(work: WorkFolder, { onNotice }: BundleOptions) {
  let isSaid = false;
  return (folder: string, journal: string): PartsPlace => ({
    folder,
    journal,
    onResumed() {
      if (!isSaid) onNotice?.(`going on from the unfinished work in ${work.path}`);
      isSaid = true;
    },
    onKept() {
      work.isWorthKeeping = true;
    },
  });
}
