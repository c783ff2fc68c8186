import type { ByteReader, Constant } from "../../ir/constant/constant.js";
import { readConstant } from "../../ir/constant/read.js";
import { isFloat } from "../../ir/dtype.js";
import type { SafetensorsEntry } from "../../ir/format/safetensors.js";
import { readHeader } from "../checkpoint/tensors.js";
import { fileReader } from "../file-reader.js";
import { loraError } from "./errors.js";
import { locateAdapter } from "./locate.js";
import { configSettings, type LoraSettings, metadataSettings } from "./settings.js";
import { parseTensorName, type Slot } from "./tensor-name.js";

/** An adapter to merge, as asked for. */
export interface LoraRequest {
  /** A .safetensors file, or the folder of one. */
  readonly file: string;
  /** What its updates are multiplied by; 1 is its full strength. */
  readonly scale: number;
}

/** A tensor of an adapter, of which nothing is read yet. */
export interface AdapterTensor {
  readonly name: string;
  /** Spelling of the file's where it is a type that is not read. */
  readonly dtype: string;
  readonly float: boolean;
  /** Without the trailing ones of weights that are stored as 1x1 convolutions. */
  readonly shape: readonly number[];
  /** As f32; undefined for types that are not read. */
  readonly values: Constant | undefined;
}

/** All that an adapter has for one module. */
export interface AdapterModule {
  /** Its name in the file, without what follows it. */
  readonly base: string;
  readonly slots: ReadonlyMap<Slot, AdapterTensor>;
  /** Tensors whose place another one has taken: the file has two adapters. */
  readonly doubles: readonly AdapterTensor[];
}

/** An adapter as its header describes it. */
export interface LoraAdapter extends LoraRequest {
  /** The weights' file: `file` itself, or in it. */
  readonly weights: string;
  readonly settings: LoraSettings | undefined;
  readonly modules: readonly AdapterModule[];
  /** Tensors with names that no form of adapter has. */
  readonly others: readonly AdapterTensor[];
}

/** Reads an adapter's header and configuration. Throws TRITC_E_LORA, TRITC_E_SAFETENSORS, TRITC_E_FILE_READ. */
export function readLora({ file, scale }: LoraRequest): LoraAdapter {
  const { weights, config } = locateAdapter(file);
  const reader = fileReader();
  try {
    const { entries, unread, metadata } = readHeader(weights, reader);
    const tensors = [
      ...[...entries.values()].map((entry) => tensorOf(entry, weights)),
      ...[...unread].map(([name, dtype]) => ({
        name,
        dtype,
        float: false,
        shape: [],
        values: undefined,
      })),
    ];
    const modules = new Map<string, OpenModule>();
    const others: AdapterTensor[] = [];
    for (const tensor of tensors) {
      const parsed = parseTensorName(tensor.name);
      if (parsed === undefined) {
        others.push(tensor);
        continue;
      }
      const known: OpenModule = modules.get(parsed.base) ?? { slots: new Map(), doubles: [] };
      modules.set(parsed.base, known);
      if (known.slots.has(parsed.slot)) known.doubles.push(tensor);
      else known.slots.set(parsed.slot, tensor);
    }
    return {
      file,
      scale,
      weights,
      // What the file says of itself goes before what lies beside it.
      settings:
        metadataSettings(metadata, weights) ?? (config === undefined ? undefined : configSettings(config)),
      modules: [...modules].map(([base, found]) => ({ base, ...found })),
      others,
    };
  } finally {
    reader.close();
  }
}

interface OpenModule {
  readonly slots: Map<Slot, AdapterTensor>;
  readonly doubles: AdapterTensor[];
}

function tensorOf({ name, dtype, shape, offset, length }: SafetensorsEntry, file: string): AdapterTensor {
  let rank = shape.length;
  while (rank > 2 && shape[rank - 1] === 1) rank--;
  const short = shape.slice(0, rank);
  const stored: Constant = { dtype, shape, source: { kind: "file", file, offset, length } };
  const flat: Constant =
    rank === shape.length ? stored : { dtype, shape: short, source: { kind: "reshape", of: stored } };
  const values: Constant =
    dtype === "f32" ? flat : { dtype: "f32", shape: short, source: { kind: "cast", of: flat } };
  return { name, dtype, float: isFloat(dtype), shape: short, values: length > 0 ? values : undefined };
}

/** A tensor's values, all of which are finite. Throws TRITC_E_LORA. */
export function finiteValues(tensor: AdapterTensor, file: string, reader: ByteReader): Float32Array {
  const { name, dtype, shape, values } = tensor;
  const place = `${file}: ${name}`;
  if (values === undefined) {
    throw loraError({
      place,
      message: "the tensor's values cannot be read",
      expected: "bf16, f16 or f32 numbers, or 8-bit floats",
      found: `${dtype} [${shape.join(", ")}]`,
    });
  }
  const data = readConstant(values, reader).data as Float32Array;
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return data;
  const width = shape[1] ?? 1;
  throw loraError({
    place,
    message: "the adapter holds a value that is not a finite number",
    expected: "finite numbers",
    found: `${data[at]} in row ${Math.floor(at / width)}, column ${at % width}`,
    remedy:
      "the training diverged or the file is damaged: download it again, or use another checkpoint of it",
  });
}
