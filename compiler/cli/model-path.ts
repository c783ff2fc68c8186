import { hubReference, type Scope } from "../hub/reference.js";
import type { LoraRequest } from "../lora/read.js";
import type { HubOptions } from "./hub-options.js";
import type { CommonOptions } from "./options.js";
import { type Progress, Terminal } from "./terminal.js";

type Options = CommonOptions & HubOptions;

/**
 * Where a model is that a command was given: the path itself, or that of a model of the hub (`org/name`) in Hugging Face's
 * cache, downloaded if it is not there. Called when everything else of the command line is known to be right.
 */
export async function modelPath(given: string, scope: Scope, options: Options): Promise<string> {
  const reference = hubReference(given, options.revision);
  if (reference === undefined) return given;
  const { hubModel, hubSettings } = await import("../hub/index.js");
  const told = downloads(options);
  const { path } = await hubModel(reference, hubSettings(options), { scope, ...told }).finally(told.stop);
  return path;
}

/**
 * What work makes of a model's transformer, of which it reads headers and little more: of the hub's nothing else comes. Work may begin
 * several times, and so does nothing but read.
 */
export async function lookAt<T>(
  given: string,
  options: Options,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const reference = hubReference(given, options.revision);
  if (reference === undefined) return work(given);
  const [{ hubSettings }, { lookAtModel }] = await Promise.all([
    import("../hub/index.js"),
    import("../hub/look.js"),
  ]);
  const told = downloads(options);
  return lookAtModel(reference, hubSettings(options), { scope: "transformer", ...told }, work).finally(
    told.stop,
  );
}

/** Says what comes. Each time that all has come, its progress ends: others may begin theirs. */
function downloads(options: Options) {
  const terminal = new Terminal(options);
  let progress: Progress | undefined;
  const stop = () => {
    progress?.stop();
    progress = undefined;
  };
  return {
    stop,
    signal: options.io.interruptSignal(),
    onNotice: (text: string) => terminal.note(text),
    onProgress(done: number, total: number) {
      progress ??= terminal.progress("downloading", "bytes");
      progress.update(done, total);
      if (done === total) stop();
    },
  };
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
