import { TritcError } from "../../ir/errors.js";
import { malformed } from "../../ir/sampling/pipeline-file.js";
import { readRegular } from "./regular-file.js";

/** The largest of them is T5's tokenizer, 2.4 MB. */
const MOST_BYTES = 1 << 26;

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
export async function readPipelineFile(path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await readRegular(path, MOST_BYTES));
  } catch (cause) {
    throw missingFile(path, cause);
  }
}

/** Reads a JSON file that must hold an object; `raw` is the parsed value, `entries` its members. */
export async function readJsonObject(
  path: string,
): Promise<{ readonly raw: object; readonly entries: JsonObject }> {
  const text = await readPipelineFile(path);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw malformed(path, "a JSON object", cause instanceof Error ? cause.message : String(cause));
  }
  const entries = asObject(raw);
  if (entries === undefined || typeof raw !== "object" || raw === null) {
    throw malformed(path, "a JSON object", typeof raw);
  }
  return { raw, entries };
}

/** TRITC_E_PIPELINE_FILE for a file that is not there. */
export function missingFile(path: string, cause?: unknown): TritcError {
  return new TritcError({
    code: "TRITC_E_PIPELINE_FILE",
    message: "this file of the pipeline cannot be read",
    place: path,
    expected:
      "a pipeline folder with scheduler/, tokenizer/, tokenizer_2/, text_encoder/, text_encoder_2/, vae_decoder/, and vae_encoder/ for models that are given pictures",
    found: cause instanceof Error ? cause.message : "no such file",
    remedy:
      "export the whole pipeline, not the transformer alone: optimum-cli export onnx --model <FLUX.1 repository> <folder>",
    cause,
  });
}
