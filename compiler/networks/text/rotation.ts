import { JsonNumber, type JsonValue } from "../../../ir/format/strict-json.js";
import { describe, type NetworkConfig } from "../config.js";
import { networkError } from "../errors.js";

/** What newer and older configurations call what is said of rotary positions. */
const FORMS = ["rope_parameters", "rope_scaling"] as const;
const DEFAULT_THETA = 10000;

/**
 * The base of rotary frequencies: in `rope_parameters`, which newer configurations have, or `rope_theta` beside
 * `rope_scaling`. Throws TRITC_E_NETWORK for frequencies that are scaled.
 */
export function rotationBase(config: NetworkConfig): number {
  for (const key of FORMS) {
    const form = config.value(key);
    if (form === undefined || form === null) continue;
    if (!(form instanceof Map)) throw config.refuse(key, "an object");
    requireDefault(config, key, form);
    const theta = form.get("rope_theta");
    if (theta !== undefined) return positive(config, key, theta);
  }
  return config.positive("rope_theta", DEFAULT_THETA);
}

function requireDefault(config: NetworkConfig, key: string, form: ReadonlyMap<string, JsonValue>): void {
  const type = form.get("rope_type") ?? form.get("type") ?? "default";
  const partial = form.get("partial_rotary_factor");
  const place = `${config.file}: ${key}`;
  const message = "rotary positions are scaled in a form that tritc does not compile";
  if (type !== "default") {
    throw networkError({
      place,
      message,
      expected: "rope_type default",
      found: `rope_type ${describe(type)}`,
    });
  }
  if (partial !== undefined && !(partial instanceof JsonNumber && Number(partial.text) === 1)) {
    const found = `partial_rotary_factor ${describe(partial)}`;
    throw networkError({ place, message, expected: "all channels of a head rotated", found });
  }
}

function positive(config: NetworkConfig, key: string, value: JsonValue): number {
  const number = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
  if (number > 0 && number < Number.POSITIVE_INFINITY) return number;
  throw config.refuse(key, "a rope_theta above 0");
}
