/** The networks of a pipeline's folder: ONNX files, which ONNX Runtime runs. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Network, NetworkName } from "../pipeline/network.js";
import { type OpenPipelineOptions, openPipeline, type PipelineModels } from "../pipeline/pipeline-models.js";
import { openOrtSession } from "./ort-session.js";
import { folderFiles } from "./pipeline-folder.js";
import { tokenizers } from "./tokenizer.js";

export type { EncodedPrompt, PipelineModels, TextLength } from "../pipeline/pipeline-models.js";

export interface PipelineModelsOptions extends OpenPipelineOptions {
  /** Called before files go to ONNX Runtime, which opens them, and others that they name, by itself; may throw. */
  readonly check?: (() => Promise<void>) | undefined;
  /** Threads of ONNX Runtime; its own choice if absent. */
  readonly threads?: number | undefined;
}

/** Opens a pipeline's folder; see `openPipeline`. */
export function openPipelineModels(
  directory: string,
  options: PipelineModelsOptions = {},
): Promise<PipelineModels> {
  const network = (name: NetworkName): Network | undefined => {
    const place = join(directory, name, "model.onnx");
    if (!existsSync(place)) return undefined;
    return {
      place,
      async open() {
        await options.check?.();
        return openOrtSession(place, { threads: options.threads });
      },
    };
  };
  return openPipeline(folderFiles(directory), { tokenizers, network }, options);
}
