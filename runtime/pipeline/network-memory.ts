import { MANIFEST_FILE, type Manifest, parseManifest } from "../../ir/format/manifest.js";
import type { StageBytes } from "../../ir/program/residency.js";
import { type PipelineFiles, readPipelineFile } from "./files.js";
import { NETWORK_NAMES } from "./network.js";

/** The most device memory that a bundle was planned to take, in bytes; 0 where nothing was planned. */
export function plannedBytes({ memory: { plans, promptWeights } }: Manifest): number {
  return Math.max(
    0,
    ...plans.map(({ [promptWeights]: { load, prompt, step } }) => Math.max(load, prompt, step)),
  );
}

/** What a bundle's program and the networks of a pipeline that are bundles were planned to take. */
export async function stagesOf(manifest: Manifest, pipeline: PipelineFiles): Promise<StageBytes> {
  const paths = NETWORK_NAMES.map((name) => `${name}/${MANIFEST_FILE}`).filter((path) => pipeline.has(path));
  const networks: number[] = [];
  for (const path of paths) {
    const text = await readPipelineFile(pipeline, path);
    networks.push(plannedBytes(parseManifest(text, pipeline.placeOf(path))));
  }
  return { transformer: plannedBytes(manifest), networks };
}
