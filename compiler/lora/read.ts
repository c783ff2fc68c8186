import { statSync } from "node:fs";
import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { readConstant } from "../../ir/constant/read.js";
import { isFloat } from "../../ir/dtype.js";
import { type SafetensorsEntry, unreadType } from "../../ir/format/safetensors.js";
import { readHeader } from "../diffusers/tensors.js";
import { fileReader } from "../file-reader.js";
import { loraError } from "./errors.js";
import { type AlphaOf, metadataAlpha } from "./metadata.js";

/** An adapter to merge, as asked for. */
export interface LoraRequest {
  readonly file: string;
  /** What its updates are multiplied by; 1 is its full strength. */
  readonly scale: number;
}

/** The update of one module: W += scale·(up · down). */
export interface LoraUpdate {
  /** Its name in the file, without prefix and suffix. */
  readonly module: string;
  /** The tensor that messages name. */
  readonly tensor: string;
  /** f32 [out, rank], read when asked. */
  readonly up: Constant;
  /** f32 [rank, in], read when asked. */
  readonly down: Constant;
  /** The request's scale times alpha / rank. */
  readonly scale: number;
}

/** An adapter's updates, checked as far as the file alone allows. */
export interface LoraAdapter extends LoraRequest {
  readonly updates: readonly LoraUpdate[];
  /** Tensors that are no update of a linear's weight. */
  readonly others: readonly string[];
}

/** `lora_A` and `lora_B` are PEFT's names, `lora_down` and `lora_up` kohya's; PEFT may put an adapter's name behind. */
const FACTOR = /^(.+)\.(lora_A|lora_down|lora\.down|lora_B|lora_up|lora\.up)(?:\.[\w-]+)?\.weight$/;
const DOWN: ReadonlySet<string> = new Set(["lora_A", "lora_down", "lora.down"]);
const ALPHA = /^(.+)\.alpha$/;
/** Tensors of methods that change weights in another way: their updates alone would be wrong. */
const FOREIGN = /\.(dora_scale|lora_magnitude_vector|hada_w\d|lokr_w\d|lora_mid|oft_|boft_)/;

/** What trainers put before the names of a transformer's modules. */
const PREFIX =
  /^(?:base_model\.model\.)?(?:transformer\.|(?:model\.)?diffusion_model\.|lora_unet_|lora_transformer_)?/;

interface Factors {
  down?: SafetensorsEntry;
  up?: SafetensorsEntry;
  alpha?: SafetensorsEntry;
}

/**
 * Reads an adapter's header, and checks that its factors fit each other and are finite; they are read for that, a
 * tensor at a time. Throws TRITC_E_LORA, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ.
 */
export function readLora({ file, scale }: LoraRequest): LoraAdapter {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    throw loraError({
      place: file,
      message: found === undefined ? "there is no such adapter" : "the adapter is a folder",
      expected: "a .safetensors file",
      remedy: "give the file itself, with a scale behind a colon if it is not 1: style.safetensors:0.8",
    });
  }
  const reader = fileReader();
  try {
    const { entries, unread, metadata } = readHeader(file, reader);
    for (const [name, spelling] of unread) throw unreadType(`${file}: tensor ${name}`, spelling);
    const alphaOf = metadataAlpha(metadata, file);
    const factors = new Map<string, Factors>();
    const others: string[] = [];
    const of = (module: string) => {
      const known = factors.get(module) ?? {};
      factors.set(module, known);
      return known;
    };
    for (const [name, entry] of entries) {
      const [, base, kind] = FACTOR.exec(name) ?? [];
      const [, alpha] = ALPHA.exec(name) ?? [];
      if (FOREIGN.test(name)) throw foreign(file, name);
      if (base !== undefined && kind !== undefined) {
        if (DOWN.has(kind)) of(base).down = entry;
        else of(base).up = entry;
      } else if (alpha !== undefined) of(alpha).alpha = entry;
      else others.push(name);
    }
    const updates: LoraUpdate[] = [];
    for (const [base, found] of factors) {
      if (found.down === undefined && found.up === undefined) others.push(`${base}.alpha`);
      else updates.push(updateOf(base, found, { file, scale, alphaOf, reader }));
    }
    return { file, scale, updates, others };
  } finally {
    reader.close();
  }
}

interface Reading extends LoraRequest {
  readonly alphaOf: AlphaOf;
  readonly reader: ByteReader;
}

function updateOf(base: string, { down, up, alpha }: Factors, reading: Reading): LoraUpdate {
  const { file, scale, alphaOf, reader } = reading;
  const present = down ?? up;
  if (down === undefined || up === undefined || present === undefined) {
    throw loraError({
      place: `${file}: ${present?.name}`,
      message: "one of the update's two factors is missing",
      expected: `${base}.lora_A.weight and ${base}.lora_B.weight, or lora_down and lora_up`,
      found: `${present?.name} only`,
      remedy: "download the adapter again",
    });
  }
  for (const entry of [down, up]) {
    if (entry.shape.length === 2 && isFloat(entry.dtype) && entry.length > 0) continue;
    throw loraError({
      place: `${file}: ${entry.name}`,
      message: "this is no factor of a linear's weight",
      expected: "a matrix of floating-point numbers",
      found: `${entry.dtype} [${entry.shape.join(", ")}]`,
    });
  }
  const rank = down.shape[0] ?? 1;
  if (up.shape[1] !== rank) {
    throw loraError({
      place: `${file}: ${up.name}`,
      message: "the update's two factors have different ranks",
      expected: `[${up.shape[0]}, ${rank}], as ${down.name} is [${down.shape.join(", ")}]`,
      found: `[${up.shape.join(", ")}]`,
      remedy: "download the adapter again",
    });
  }
  const module = base.replace(PREFIX, "");
  const strength = alpha === undefined ? alphaOf(module) : number(alpha, reading);
  const total = (scale * (strength ?? rank)) / rank;
  if (!Number.isFinite(total)) {
    throw loraError({
      place: `${file}: ${down.name}`,
      message: "the update's scale is not a finite number",
      expected: "scale·alpha/rank within the range of numbers",
      found: `${scale}·${strength ?? rank}/${rank}`,
      remedy: "use a scale such as 0.8",
    });
  }
  return {
    module,
    tensor: down.name,
    down: finite(down, file, reader),
    up: finite(up, file, reader),
    scale: total,
  };
}

function stored({ dtype, shape, offset, length }: SafetensorsEntry, file: string): Constant {
  return { dtype, shape, source: { kind: "file", file, offset, length } };
}

/** The tensor as f32. */
function finite(entry: SafetensorsEntry, file: string, reader: ByteReader): Constant {
  const of = stored(entry, file);
  const constant: Constant =
    of.dtype === "f32" ? of : { dtype: "f32", shape: of.shape, source: { kind: "cast", of } };
  const { data } = readConstant(constant, reader);
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(Number(data[i]))) continue;
    const width = entry.shape[1] ?? 1;
    throw loraError({
      place: `${file}: ${entry.name}`,
      message: "the adapter holds a value that is not a finite number",
      expected: "finite numbers",
      found: `${data[i]} in row ${Math.floor(i / width)}, column ${i % width}`,
      remedy:
        "the training diverged or the file is damaged: download it again, or use another checkpoint of it",
    });
  }
  return constant;
}

function number(entry: SafetensorsEntry, { file, reader }: Reading): number {
  const { data } = readConstant(stored(entry, file), reader);
  const value = Number(data[0]);
  if (data.length === 1 && Number.isFinite(value)) return value;
  throw loraError({
    place: `${file}: ${entry.name}`,
    message: "alpha is not a finite number",
    expected: "one finite number",
    found: data.length === 1 ? String(value) : `[${entry.shape.join(", ")}]`,
    remedy: "download the adapter again",
  });
}

function foreign(file: string, tensor: string) {
  return loraError({
    place: `${file}: ${tensor}`,
    message:
      "the adapter is of a kind that cannot be merged: DoRA, LoHa, LoKr and OFT change weights in other ways",
    expected: "plain LoRA: lora_A and lora_B, or lora_down and lora_up",
    found: tensor.slice(tensor.lastIndexOf(".") + 1),
    remedy: "merge it into the model with the tool that made it, and compile the result",
  });
}
