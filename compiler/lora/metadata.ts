import { JsonNumber, type JsonValue, parseStrictJson } from "../../ir/format/strict-json.js";
import { loraError } from "./errors.js";

/** The alpha that a file's metadata give a module; undefined where they say nothing. */
export type AlphaOf = (module: string) => number | undefined;

/** Where Diffusers keeps the configuration of PEFT, with keys such as `transformer.lora_alpha`. */
const KEY = "lora_adapter_metadata";
const PREFIX = "transformer.";

/** Settings under which an update is not scale·alpha/rank·(up · down). */
const UNSUPPORTED = ["use_dora", "use_rslora"];

/** Throws TRITC_E_LORA where the metadata ask for what merging cannot do. */
export function metadataAlpha(metadata: ReadonlyMap<string, string>, file: string): AlphaOf {
  const text = metadata.get(KEY);
  if (text === undefined) return () => undefined;
  const place = `${file}: ${KEY}`;
  const fields = fieldsOf(text, place);
  const get = (name: string) => fields.get(PREFIX + name);
  for (const name of UNSUPPORTED) {
    if (get(name) === true) {
      throw loraError({
        place,
        message: `the adapter was trained with ${name}, which cannot be merged`,
        expected: `${name} false`,
        found: "true",
        remedy: "merge it into the model with the tool that made it, and compile the result",
      });
    }
  }
  const alpha = numberOf(get("lora_alpha"));
  const patterns = get("alpha_pattern");
  const given = patterns instanceof Map ? [...patterns] : [];
  return (module) => {
    const pattern = given.find(([name]) => module === name || module.endsWith(`.${name}`));
    return pattern === undefined ? alpha : numberOf(pattern[1]);
  };
}

function fieldsOf(text: string, place: string): ReadonlyMap<string, JsonValue> {
  try {
    const value = parseStrictJson(text);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw loraError({
    place,
    message: "the adapter's metadata are no JSON object",
    remedy: "download it again",
  });
}

function numberOf(value: JsonValue | undefined): number | undefined {
  const number = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}
