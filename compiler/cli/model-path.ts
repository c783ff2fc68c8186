import { hubReference, type Scope } from "../hub/reference.js";
import type { LoraRequest } from "../lora/read.js";
import type { HubOptions } from "./hub-options.js";
import type { CommonOptions } from "./options.js";
import { Terminal } from "./terminal.js";

type Options = CommonOptions & HubOptions;

/**
 * Where a model is that a command was given: the path itself, or that of a model of the hub (`org/name`) in Hugging Face's
 * cache, downloaded if it is not there. Called when everything else of the command line is known to be right.
 */
export async function modelPath(given: string, scope: Scope, options: Options): Promise<string> {
  const reference = hubReference(given, options.revision);
  if (reference === undefined) return given;
  const { hubModel, hubSettings } = await import("../hub/index.js");
  const terminal = new Terminal(options);
  const progress = terminal.progress("downloading", "bytes");
  const { path } = await hubModel(reference, hubSettings(options), {
    scope,
    signal: options.io.interruptSignal(),
    onNotice: (text) => terminal.note(text),
    onProgress: progress.update,
  }).finally(progress.stop);
  return path;
}

/** The same of a model and of the pipeline that is to stand around it, where one is given: `--revision` is the model's. */
export async function modelWithPipeline(
  model: string,
  pipeline: string | undefined,
  options: Options,
): Promise<{ readonly input: string; readonly pipeline?: string }> {
  if (pipeline === undefined) return { input: await modelPath(model, "pipeline", options) };
  const input = await modelPath(model, "transformer", options);
  return { input, pipeline: await modelPath(pipeline, "surroundings", { ...options, revision: undefined }) };
}

/** Where adapters are: files and folders here, or of the hub, `org/name` or `org/name/style.safetensors`. */
export async function adapterPaths(
  requests: readonly LoraRequest[] | undefined,
  options: Options,
): Promise<readonly LoraRequest[] | undefined> {
  if (requests === undefined) return undefined;
  const found: LoraRequest[] = [];
  for (const { file, scale } of requests)
    found.push({ file: await modelPath(file, "adapter", { ...options, revision: undefined }), scale });
  return found;
}

/** The folder of a pipeline that is to run as it is, where one is given. */
export async function runnablePipeline<O extends Options & { readonly pipeline?: string }>(
  options: O,
): Promise<O> {
  const { pipeline } = options;
  return pipeline === undefined
    ? options
    : { ...options, pipeline: await modelPath(pipeline, "exported", options) };
}
