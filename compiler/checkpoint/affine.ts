import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import { JsonNumber, type JsonValue } from "../../ir/format/strict-json.js";
import { checkpointError } from "./errors.js";
import { readJsonObject } from "./json-file.js";
import { headerOf, type StoredTensors } from "./tensors.js";

/** What MLX's tools say about the quantized matrices of a folder: in a file of its own, or in the model's configuration. */
const CONFIG = "quantization_config.json";
const MODEL_CONFIG = "config.json";
const SETTING = "quantization";
/** How MLX's tools name the bits of a code in a file's own metadata. */
const LEVEL = "quantization_level";
const MOST_BITS = 8;

type Settings = ReadonlyMap<string, JsonValue>;

/** What is said of the quantized matrices of a file. */
interface Said {
  readonly place: string;
  readonly settings: Settings;
  /** What the bits of a code are called. */
  readonly bits: string;
}

interface AffineForm {
  /** Where it is said. */
  readonly place: string;
  readonly bits: number;
  /** Inputs that share a scale, where it is said. */
  readonly group: number | undefined;
}

/**
 * The tensors with every matrix that MLX quantized as the product of its codes, scales and biases (`<module>.weight`,
 * `.scales`, `.biases`), still unread. MLX's forms without biases are not read. Throws TRITC_E_CHECKPOINT where they do not fit
 * each other.
 */
export function withoutAffine({ constants, unread }: StoredTensors): StoredTensors {
  const out = new Map(constants);
  const refused = new Map(unread);
  const known = new Map<string, Said>();
  for (const [name, weight] of constants) {
    const [, module] = /^(.*)\.weight$/.exec(name) ?? [];
    const { source } = weight;
    if (module === undefined || weight.dtype !== "u32" || source.kind !== "file") continue;
    const [scales, biases] = [constants.get(`${module}.scales`), constants.get(`${module}.biases`)];
    if (scales === undefined) continue;
    const said = known.get(source.file) ?? saidOf(source.file);
    known.set(source.file, said);
    out.delete(`${module}.scales`);
    out.delete(`${module}.biases`);
    if (biases !== undefined) {
      out.set(name, affine(weight, scales, biases, formOf(said, module), `${source.file}: ${name}`));
    } else {
      out.delete(name);
      const mode = said.settings.get("mode") ?? "affine";
      refused.set(name, mode === "affine" ? "MLX's codes without biases" : `MLX's ${shown(mode)}`);
    }
  }
  return { constants: out, unread: refused };
}

function affine(
  weight: Constant,
  scales: Constant,
  biases: Constant,
  form: AffineForm,
  place: string,
): Constant {
  const [rows = 0, words = 0] = weight.shape;
  const [, groups = 0] = scales.shape;
  const width = (words * 32) / form.bits;
  const group = width / groups;
  const alike = [scales, biases].every(
    ({ shape, dtype }) => `${shape}` === `${[rows, groups]}` && dtype === scales.dtype && isFloat(dtype),
  );
  if (
    !alike ||
    weight.shape.length !== 2 ||
    !Number.isInteger(width) ||
    !Number.isInteger(group) ||
    group !== (form.group ?? group)
  ) {
    throw checkpointError({
      place,
      message: "codes, scales and biases of the quantized weight do not fit each other",
      expected: `${form.bits} bits${form.group === undefined ? "" : ` and groups of ${form.group}`}, as ${form.place} says`,
      found: [weight, scales, biases].map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`).join(", "),
      remedy: "download weights and configuration again: they are of two models",
    });
  }
  const codes: Constant = { dtype: "u8", shape: [rows, words * 4], source: weight.source };
  return {
    dtype: scales.dtype,
    shape: [rows, width],
    source: { kind: "affine", codes, bits: form.bits, scales, biases },
  };
}

function saidOf(file: string): Said {
  const own = join(dirname(file), CONFIG);
  if (existsSync(own)) return { place: own, settings: readJsonObject(own), bits: "bits" };
  const model = join(dirname(file), MODEL_CONFIG);
  const setting = existsSync(model) ? readJsonObject(model).get(SETTING) : undefined;
  if (setting instanceof Map) return { place: `${model}: ${SETTING}`, settings: setting, bits: "bits" };
  const level = headerOf(file).metadata.get(LEVEL);
  const settings = new Map<string, JsonValue>(level === undefined ? [] : [[LEVEL, new JsonNumber(level)]]);
  return { place: file, settings, bits: LEVEL };
}

/** What is said of a module: of itself, else of all. */
function formOf({ place, settings, bits: key }: Said, module: string): AffineForm {
  const mode = settings.get("mode") ?? "affine";
  if (mode !== "affine") {
    throw checkpointError({
      place: `${place}: mode`,
      message: "the weights are quantized in a form that is not read",
      expected: "affine",
      found: shown(mode),
      remedy: "use the original weights",
    });
  }
  const own = settings.get(module);
  const get = (name: string) => (own instanceof Map ? own.get(name) : undefined) ?? settings.get(name);
  const [bits, group] = [get(key), get("group_size")];
  return {
    place,
    bits: bitsOf(numberOf(bits), place, key, shown(bits)),
    group: group === undefined ? undefined : numberOf(group),
  };
}

function bitsOf(bits: number, file: string, key: string, found: string): number {
  if (Number.isInteger(bits) && bits > 0 && bits <= MOST_BITS) return bits;
  throw checkpointError({
    place: `${file}: ${key}`,
    message: "nothing says how many bits the codes of the quantized weights have",
    expected: `a whole number up to ${MOST_BITS} here, or as bits in ${CONFIG}`,
    found,
    remedy: "download the whole folder, with its configuration",
  });
}

function numberOf(value: JsonValue | undefined): number {
  return value instanceof JsonNumber ? (value.toIndex() ?? Number.NaN) : Number.NaN;
}

function shown(value: JsonValue | undefined): string {
  if (value instanceof JsonNumber) return value.text;
  return typeof value === "string" ? value : value === undefined ? "none" : "no number";
}
