import { JsonNumber, type JsonValue } from "../../../ir/format/strict-json.js";
import { checkpointError } from "../../checkpoint/errors.js";
import { readJsonObject } from "../../checkpoint/json-file.js";
import type { FluxSizes } from "./sizes.js";

/** What a configuration says: all sizes but those that only the tensors have. */
export type FluxConfig = Omit<FluxSizes, "mlpWidth" | "frequencies" | "timeWidth" | "timeLayers">;
type CommonConfig = Omit<FluxConfig, "pooledDim" | "ropeTheta" | "epsilon">;

/** The configuration of an architecture. */
export interface ConfigForm {
  readonly className: string;
  /** Every setting with its default, which files of older versions leave out where it was fixed. */
  readonly defaults: Readonly<Record<string, number | boolean | null | readonly number[]>>;
}

/** What MLX's tools say in a `config.json` of the weights' form, which whoever reads the weights looks at; Diffusers has the second. */
const QUANTIZED = ["quantization", "quantization_config"];

function isOfMlx(said: JsonValue): boolean {
  return said instanceof Map && said.has("group_size") && !said.has("quant_method");
}

/** Whether a `config.json` is that of such a transformer; others may lie beside a checkpoint by chance. */
export function isConfigOf({ className }: ConfigForm, file: string): boolean {
  return readJsonObject(file).get("_class_name") === className;
}

/** The settings of a `config.json`, none of which is unknown. Throws TRITC_E_CHECKPOINT. */
export function readSettings(form: ConfigForm, file: string): Fields {
  const fields = readJsonObject(file);
  const className = fields.get("_class_name");
  if (className !== form.className) {
    throw checkpointError({
      place: file,
      message: "this is the configuration of another kind of model",
      expected: `_class_name ${form.className}`,
      found: typeof className === "string" ? className : "no _class_name",
      remedy: "tritc compiles FLUX.1, FLUX.2 and Chroma transformers",
    });
  }
  const quantized = fields.get("quantization_config");
  if (quantized !== undefined && !isOfMlx(quantized)) {
    throw checkpointError({
      place: file,
      message: "the weights are quantized already",
      expected: "bfloat16, float16 or float32 weights",
      found: "a quantization_config",
      remedy: "give the folder of the original weights",
    });
  }
  for (const key of fields.keys()) {
    // Keys with an underscore are notes of the library.
    if (key.startsWith("_") || Object.hasOwn(form.defaults, key) || QUANTIZED.includes(key)) continue;
    throw checkpointError({
      place: file,
      message: "the configuration has a setting that is not known",
      expected: Object.keys(form.defaults).join(", "),
      found: key,
      remedy: "export the model to ONNX: what its settings mean is in the graph then",
    });
  }
  return new Fields(form, file, fields);
}

/** What every family's configuration says. */
export function commonSettings(fields: Fields): CommonConfig {
  const patch = fields.count("patch_size", 1);
  const inChannels = fields.count("in_channels", 1);
  const headDim = fields.count("attention_head_dim", 2);
  const ropeAxes = fields.counts("axes_dims_rope");
  const rotated = ropeAxes.reduce((sum, d) => sum + d, 0);
  if (rotated !== headDim || ropeAxes.some((d) => d % 2 !== 0)) {
    throw fields.refuse("axes_dims_rope", `even numbers that sum to attention_head_dim ${headDim}`);
  }
  const config = {
    doubleBlocks: fields.count("num_layers", 0, MOST_BLOCKS),
    singleBlocks: fields.count("num_single_layers", 0, MOST_BLOCKS),
    heads: fields.count("num_attention_heads", 1),
    headDim,
    inChannels,
    outChannels: patch * patch * (fields.optionalCount("out_channels") ?? inChannels),
    contextDim: fields.count("joint_attention_dim", 1),
    guidance: fields.flag("guidance_embeds"),
    ropeAxes,
  };
  if (config.doubleBlocks + config.singleBlocks === 0)
    throw fields.refuse("num_layers", "at least one block");
  return config;
}

/** Sizes beyond this are damage, and would make a graph that takes forever to build. */
const MOST = 1 << 20;
const MOST_BLOCKS = 1024;

export class Fields {
  constructor(
    readonly form: ConfigForm,
    readonly file: string,
    readonly values: ReadonlyMap<string, JsonValue>,
  ) {}

  refuse(key: string, expected: string) {
    const value = this.values.get(key);
    return checkpointError({
      place: `${this.file}: ${key}`,
      message: "the setting has a value that no FLUX transformer has",
      expected,
      found: describe(value),
      remedy: "download the configuration again",
    });
  }

  count(key: string, least: number, most = MOST): number {
    const value = this.values.get(key);
    const count =
      value === undefined
        ? this.form.defaults[key]
        : value instanceof JsonNumber
          ? value.toIndex()
          : undefined;
    if (typeof count !== "number" || count < least || count > most) {
      throw this.refuse(key, `a whole number from ${least} to ${most}`);
    }
    return count;
  }

  /** A number above 0. */
  positive(key: string): number {
    const value = this.values.get(key);
    const number = value instanceof JsonNumber ? Number(value.text) : (value ?? this.form.defaults[key]);
    if (typeof number === "number" && number > 0 && number < Number.POSITIVE_INFINITY) return number;
    throw this.refuse(key, "a number above 0");
  }

  optionalCount(key: string): number | null {
    const value = this.values.get(key);
    return value === undefined || value === null ? null : this.count(key, 1);
  }

  counts(key: string): readonly number[] {
    const value = this.values.get(key);
    const usual = this.form.defaults[key];
    if (value === undefined && Array.isArray(usual)) return usual;
    const items: readonly JsonValue[] = Array.isArray(value) ? value : [];
    const counts = items.map((item) => (item instanceof JsonNumber ? item.toIndex() : undefined));
    const whole = counts.filter((count) => count !== undefined && count > 0);
    if (whole.length !== items.length || whole.length === 0 || whole.length > 8) {
      throw this.refuse(key, "a list of whole numbers");
    }
    return whole as readonly number[];
  }

  flag(key: string): boolean {
    const value = this.values.get(key);
    if (value === undefined) return this.form.defaults[key] === true;
    if (typeof value !== "boolean") throw this.refuse(key, "true or false");
    return value;
  }
}

function describe(value: JsonValue | undefined): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  return value instanceof Map ? "an object" : String(value);
}
