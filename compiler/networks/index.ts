import { join } from "node:path";
import { readJsonObject } from "../checkpoint/json-file.js";
import type { NetworkPart, PipelineFolder } from "./part.js";
import { textNetworks } from "./text/index.js";
import { vaeNetworks } from "./vae/index.js";

export { NETWORK_NAMES, type NetworkName, type NetworkPart, type PlannedSizes } from "./part.js";

const INDEX = "model_index.json";

/** What builds networks, each of its own parts of a pipeline. */
const BUILDERS: readonly ((pipeline: PipelineFolder) => readonly NetworkPart[])[] = [
  textNetworks,
  vaeNetworks,
];

/**
 * The networks of a pipeline in Diffusers' layout besides its transformer. Those that are ONNX already (`model.onnx` in
 * their folder) are left out, and so is what a pipeline does not have. No weight file is opened before `build`.
 *
 * @param folder with `model_index.json`
 * @throws TritcError TRITC_E_NETWORK for a text encoder or VAE of a kind that is not built, TRITC_E_CHECKPOINT
 */
export function pipelineNetworks(folder: string): readonly NetworkPart[] {
  const className = readJsonObject(join(folder, INDEX)).get("_class_name");
  const pipeline = { folder, className: typeof className === "string" ? className : "" };
  return BUILDERS.flatMap((build) => build(pipeline));
}
