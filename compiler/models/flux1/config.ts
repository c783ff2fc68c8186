import { JsonNumber, type JsonValue } from "../../../ir/format/strict-json.js";
import { checkpointError } from "../../checkpoint/errors.js";
import { readJsonObject } from "../../checkpoint/json-file.js";
import { type FluxSizes, ROPE_AXES } from "./sizes.js";

/** What `config.json` says: all sizes but those that only the tensors have. */
export type FluxConfig = Omit<FluxSizes, "mlpWidth" | "frequencies">;

/** The one architecture that is read. */
const CLASS_NAME = "FluxTransformer2DModel";

/** Defaults of FluxTransformer2DModel, which files of older versions leave out where they were fixed. */
const DEFAULTS: Readonly<Record<string, number | boolean | null | readonly number[]>> = {
  patch_size: 1,
  in_channels: 64,
  out_channels: null,
  num_layers: 19,
  num_single_layers: 38,
  attention_head_dim: 128,
  num_attention_heads: 24,
  joint_attention_dim: 4096,
  pooled_projection_dim: 768,
  guidance_embeds: false,
  axes_dims_rope: ROPE_AXES,
};

/** Whether a `config.json` is that of a FLUX transformer; others may lie beside a checkpoint by chance. */
export function isFluxConfig(file: string): boolean {
  return readJsonObject(file).get("_class_name") === CLASS_NAME;
}

/** Reads and checks a `config.json`. Throws TRITC_E_CHECKPOINT. */
export function readConfig(file: string): FluxConfig {
  const fields = readJsonObject(file);
  const className = fields.get("_class_name");
  if (className !== CLASS_NAME) {
    throw checkpointError({
      place: file,
      message: "this is the configuration of another kind of model",
      expected: `_class_name ${CLASS_NAME}`,
      found: typeof className === "string" ? className : "no _class_name",
      remedy: "tritc compiles FLUX.1 transformers: dev, schnell, Krea, Kontext, Fill, Canny, Depth",
    });
  }
  if (fields.get("quantization_config") !== undefined) {
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
    if (key.startsWith("_") || Object.hasOwn(DEFAULTS, key)) continue;
    throw checkpointError({
      place: file,
      message: "the configuration has a setting that is not known",
      expected: Object.keys(DEFAULTS).join(", "),
      found: key,
      remedy: "export the model to ONNX: what its settings mean is in the graph then",
    });
  }
  return settings(new Fields(file, fields));
}

function settings(fields: Fields): FluxConfig {
  const patch = fields.count("patch_size", 1);
  const inChannels = fields.count("in_channels", 1);
  const headDim = fields.count("attention_head_dim", 2);
  const ropeAxes = fields.counts("axes_dims_rope");
  const rotated = ropeAxes.reduce((sum, d) => sum + d, 0);
  if (rotated !== headDim || ropeAxes.some((d) => d % 2 !== 0)) {
    throw fields.refuse("axes_dims_rope", `even numbers that sum to attention_head_dim ${headDim}`);
  }
  const config: FluxConfig = {
    doubleBlocks: fields.count("num_layers", 0, MOST_BLOCKS),
    singleBlocks: fields.count("num_single_layers", 0, MOST_BLOCKS),
    heads: fields.count("num_attention_heads", 1),
    headDim,
    inChannels,
    outChannels: patch * patch * (fields.optionalCount("out_channels") ?? inChannels),
    contextDim: fields.count("joint_attention_dim", 1),
    pooledDim: fields.count("pooled_projection_dim", 1),
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

class Fields {
  constructor(
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
      value === undefined ? DEFAULTS[key] : value instanceof JsonNumber ? value.toIndex() : undefined;
    if (typeof count !== "number" || count < least || count > most) {
      throw this.refuse(key, `a whole number from ${least} to ${most}`);
    }
    return count;
  }

  optionalCount(key: string): number | null {
    const value = this.values.get(key);
    return value === undefined || value === null ? null : this.count(key, 1);
  }

  counts(key: string): readonly number[] {
    const value = this.values.get(key);
    if (value === undefined) return ROPE_AXES;
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
    if (value === undefined) return DEFAULTS[key] === true;
    if (typeof value !== "boolean") throw this.refuse(key, "true or false");
    return value;
  }
}

function describe(value: JsonValue | undefined): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
  return value instanceof Map ? "an object" : String(value);
}
