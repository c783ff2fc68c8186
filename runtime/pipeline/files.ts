import { TritcError } from "../../ir/errors.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";

/** The small files of a pipeline: configurations and tokenizers, in a folder or in a bundle on a server. */
export interface PipelineFiles {
  /** Where a file lies, for messages. */
  placeOf(path: string): string;
  has(path: string): boolean;
  /** A whole file; rejects where there is none, or where it cannot be read. */
  read(path: string): Promise<Uint8Array>;
}

export type JsonObject = ReadonlyMap<string, unknown>;

/** The entries of a JSON object, or undefined for any other value. */
export function asObject(value: unknown): JsonObject | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return new Map<string, unknown>(Object.entries(value));
}

/**
 * Reads a file that a pipeline folder must have.
 *
 * @throws TritcError `TRITC_E_PIPELINE_FILE` if it is absent or unreadable
 */
export async function readPipelineFile(files: PipelineFiles, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await files.read(path));
  } catch (cause) {
    throw missingFile(files.placeOf(path), cause);
  }
}

/** Reads a JSON file that must hold an object; `raw` is the parsed value, `entries` its members. */
export async function readJsonObject(
  files: PipelineFiles,
  path: string,
): Promise<{ readonly raw: object; readonly entries: JsonObject }> {
  const text = await readPipelineFile(files, path);
  const place = files.placeOf(path);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw malformed(place, "a JSON object", cause instanceof Error ? cause.message : String(cause));
  }
  const entries = asObject(raw);
  if (entries === undefined || typeof raw !== "object" || raw === null) {
    throw malformed(place, "a JSON object", typeof raw);
  }
  return { raw, entries };
}

/** TRITC_E_PIPELINE_FILE for a file that is not there. */
export function missingFile(place: string, cause?: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_FILE",
    message: "this file of the pipeline cannot be read",
    place,
    expected:
      "a pipeline folder with scheduler/, tokenizer/, tokenizer_2/, text_encoder/, text_encoder_2/, vae_decoder/, and vae_encoder/ for models that are given pictures",
    found: cause instanceof Error ? cause.message : "no such file",
    remedy:
      "compile the whole Diffusers folder, not the transformer alone, or export it: optimum-cli export onnx --model <FLUX.1 repository> <folder>",
    cause,
  });
}
