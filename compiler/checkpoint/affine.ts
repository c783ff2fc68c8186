import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import { isFloat } from "../../ir/dtype.js";
import { JsonNumber, type JsonValue } from "../../ir/format/strict-json.js";
import { checkpointError } from "./errors.js";
import { readJsonObject } from "./json-file.js";
import { headerOf, type StoredTensors } from "./tensors.js";

/** What MLX's tools say about the quantized matrices of a folder. */
const CONFIG = "quantization_config.json";
/** How MLX's tools name the bits of a code in a file's own metadata. */
const LEVEL = "quantization_level";
const MOST_BITS = 8;

interface AffineForm {
  /** Where it is said. */
  readonly place: string;
  readonly bits: number;
  /** Inputs that share a scale, where it is said. */
  readonly group: number | undefined;
}

/**
 * The tensors with every matrix that MLX quantized as the product of its codes, scales and biases (`<module>.weight`,
 * `.scales`, `.biases`), still unread. Throws TRITC_E_CHECKPOINT where they do not fit each other.
 */
export function withoutAffine({ constants, unread }: StoredTensors): StoredTensors {
  const out = new Map(constants);
  const forms = new Map<string, AffineForm>();
  for (const [name, weight] of constants) {
    const [, module] = /^(.*)\.weight$/.exec(name) ?? [];
    const { source } = weight;
    if (module === undefined || weight.dtype !== "u32" || source.kind !== "file") continue;
    const [scales, biases] = [constants.get(`${module}.scales`), constants.get(`${module}.biases`)];
    if (scales === undefined || biases === undefined) continue;
    const form = forms.get(source.file) ?? formOf(source.file);
    forms.set(source.file, form);
    out.set(name, affine(weight, scales, biases, form, `${source.file}: ${name}`));
    out.delete(`${module}.scales`);
    out.delete(`${module}.biases`);
  }
  return { constants: out, unread };
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

/** What a configuration beside the file says, else its own metadata. */
function formOf(file: string): AffineForm {
  const config = join(dirname(file), CONFIG);
  if (!existsSync(config)) {
    const level = headerOf(file).metadata.get(LEVEL);
    return {
      place: `${file}: ${LEVEL}`,
      bits: bitsOf(Number(level), file, LEVEL, level ?? "none"),
      group: undefined,
    };
  }
  const fields = readJsonObject(config);
  const mode = fields.get("mode") ?? "affine";
  if (mode !== "affine") {
    throw checkpointError({
      place: `${config}: mode`,
      message: "the weights are quantized in a form that is not read",
      expected: "affine",
      found: shown(mode),
      remedy: "use the original weights",
    });
  }
  const [bits, group] = [fields.get("bits"), fields.get("group_size")];
  return {
    place: config,
    bits: bitsOf(numberOf(bits), config, "bits", shown(bits)),
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
