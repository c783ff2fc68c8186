/** Which of a pipeline's networks a bundle takes as they are, and which are compiled. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { TritcError } from "../../ir/errors.js";
import { familyOf, type ModelDescription, TEXT_NETWORKS } from "../../ir/models/index.js";
import { type CompiledNetwork, compileNetwork, type NetworkStages } from "../networks/compile.js";
import type { NetworkPart } from "../networks/part.js";
import { canRun } from "./pipeline-files.js";

/** A pipeline that a bundle carries. */
export interface CarriedPipeline {
  readonly folder: string;
  readonly networks: readonly CompiledNetwork[];
}

export interface PipelineRequest extends NetworkStages {
  /** Whether the user named the folder: what it lacks is an error then, and a remark otherwise. */
  readonly given: boolean;
  readonly model: ModelDescription;
  readonly reader: ByteReader;
  /** What builds networks from a folder. */
  readonly parts: (folder: string) => readonly NetworkPart[];
  readonly onNotice?: ((text: string) => void) | undefined;
}

/**
 * The pipeline of a folder with the networks that are not ONNX compiled. Undefined, with a remark on what it lacks, for one
 * that cannot draw and that nobody asked for. Throws TRITC_E_PIPELINE for one that was, and the errors of `compileNetwork`.
 */
export async function carriedPipeline(
  folder: string,
  request: PipelineRequest,
): Promise<CarriedPipeline | undefined> {
  const { given, model, reader, onNotice } = request;
  try {
    const parts = request.parts(folder);
    if (!canRun(folder)) requireNetworks(folder, model, parts);
    const networks: CompiledNetwork[] = [];
    for (const part of parts) {
      const network = await compileNetwork(part, reader, request);
      networks.push(network);
      if (network.tilePixels !== null) onNotice?.(tiledNotice(network, network.tilePixels));
    }
    return { folder, networks };
  } catch (error) {
    // What a device has no room for, its owner decides about.
    if (given || !(error instanceof TritcError) || error.code === "TRITC_E_DEVICE_MEMORY") throw error;
    const { message, place, found } = error.details;
    const what = [place, message, found].filter((text) => text !== undefined).join(": ");
    if (canRun(folder)) {
      onNotice?.(`a network of the pipeline is left out: ${what}`);
      return { folder, networks: [] };
    }
    onNotice?.(
      `the bundle is of the transformer alone, as its pipeline cannot be compiled: ${what}; \`tritc run\` takes another one with --pipeline`,
    );
    return undefined;
  }
}

function tiledNotice({ name }: CompiledNetwork, pixels: number): string {
  const size = `${pixels}x${pixels}`;
  return `${name} takes pictures above ${size} in overlapping tiles of ${size}, as the target has no room for whole ones: what is far apart in them, norms and attention do not see together, so that their colors differ a little from those of whole ones`;
}

/** Whether a bundle's pipeline makes latents of pictures. */
export function canEncodePictures({ folder, networks }: CarriedPipeline): boolean {
  return networks.some(({ name }) => name === "vae_encoder") || isOnnx(folder, "vae_encoder");
}

/** Throws TRITC_E_PIPELINE where networks are neither ONNX nor built. */
function requireNetworks(folder: string, model: ModelDescription, parts: readonly NetworkPart[]): void {
  const needed: readonly string[] = [...TEXT_NETWORKS[familyOf(model).pipeline.text], "vae_decoder"];
  const built: readonly string[] = parts.map(({ name }) => name);
  const lacks = needed.filter((name) => !built.includes(name) && !isOnnx(folder, name));
  if (lacks.length === 0) return;
  throw new TritcError({
    code: "TRITC_E_PIPELINE",
    message: `the pipeline lacks ${lacks.join(", ")}`,
    place: folder,
    expected: needed.map((name) => `${name.replace("_decoder", "")}/`).join(", "),
    found: built.length === 0 ? "none of them with a configuration and safetensors" : built.join(", "),
    remedy: "give the whole Diffusers folder, or a pipeline that optimum-cli has exported, with --pipeline",
    exitCode: 2,
  });
}

function isOnnx(folder: string, name: string): boolean {
  return existsSync(join(folder, name, "model.onnx"));
}
