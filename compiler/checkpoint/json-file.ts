import { statSync } from "node:fs";
import { printable } from "../../ir/errors.js";
import { type JsonValue, parseStrictJson } from "../../ir/format/strict-json.js";
import { readRegularText } from "../regular-file.js";
import { checkpointError } from "./errors.js";

/** The index of a model of thousands of tensors has some hundred kilobytes. */
const MOST_BYTES = 1 << 26;

/** The object in a JSON file. Throws TRITC_E_CHECKPOINT, and the file system's own errors. */
export function readJsonObject(file: string): ReadonlyMap<string, JsonValue> {
  const { size } = statSync(file);
  if (size > MOST_BYTES) {
    throw checkpointError({
      place: file,
      message: "the file is too large for JSON metadata",
      found: `${size} bytes`,
    });
  }
  let value: JsonValue;
  try {
    value = parseStrictJson(readRegularText(file, MOST_BYTES));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw checkpointError({
      place: file,
      message: "the file is not valid JSON",
      found: printable(error.message),
      remedy: "download the file again (a Git LFS pointer is no model: `git lfs pull`)",
    });
  }
  if (value instanceof Map) return value;
  throw checkpointError({ place: file, message: "the file holds no JSON object" });
}
