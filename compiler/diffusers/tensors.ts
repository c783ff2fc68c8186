import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import {
  headerLength,
  parseMixedHeader,
  type SafetensorsHeader,
  unreadType,
} from "../../ir/format/safetensors.js";
import { type FileReader, fileReader } from "../file-reader.js";
import { checkpointError, someOf } from "./errors.js";
import { readJsonObject } from "./json-file.js";

/** Tensors by name, as constants that name their bytes; nothing of them is read. */
export type StoredTensors = ReadonlyMap<string, Constant>;

/** The header of a safetensors file, which may hold types that are not read. Throws TRITC_E_SAFETENSORS, TRITC_E_FILE_READ and the file system's errors. */
export function readHeader(file: string, reader: FileReader): SafetensorsHeader {
  const { size } = statSync(file);
  const length = headerLength(reader.read(file, 0, Math.min(8, size)), size, file);
  return parseMixedHeader(reader.read(file, 0, 8 + length), size, file);
}

/** The tensors of a file. */
export function storedTensors(file: string): StoredTensors {
  const reader = fileReader();
  try {
    const constants = new Map<string, Constant>();
    const { entries, unread } = readHeader(file, reader);
    for (const [name, spelling] of unread) throw unreadType(`${file}: ${name}`, spelling);
    for (const { name, dtype, shape, offset, length } of entries.values()) {
      constants.set(name, { dtype, shape, source: { kind: "file", file, offset, length } });
    }
    return constants;
  } finally {
    reader.close();
  }
}

const INDEX_FILE = "diffusion_pytorch_model.safetensors.index.json";
const WEIGHTS = /^diffusion_pytorch_model[\w.-]*\.safetensors$/;

/** The tensors of a transformer folder: of its one weight file, or of the shards that its index names. */
export function folderTensors(folder: string): StoredTensors {
  const index = join(folder, INDEX_FILE);
  if (existsSync(index)) return shardedTensors(folder, index);
  const files = readdirSync(folder).sort();
  const weights = files.filter((name) => WEIGHTS.test(name) && !/-\d{5}-of-\d{5}\./.test(name));
  // The plain name before those of variants such as `fp16`.
  const chosen = weights.find((name) => name === "diffusion_pytorch_model.safetensors") ?? weights[0];
  if (chosen !== undefined && (weights.length === 1 || chosen === "diffusion_pytorch_model.safetensors")) {
    return storedTensors(join(folder, chosen));
  }
  throw checkpointError({
    place: folder,
    message:
      weights.length === 0 ? "the folder has no weights" : "the folder has several variants of weights",
    expected: `diffusion_pytorch_model.safetensors, or its parts with ${INDEX_FILE}`,
    found: someOf(weights.length === 0 ? files : weights, 8) || "an empty folder",
    remedy:
      weights.length === 0
        ? "download all of the folder; weights in .bin files must be saved again as safetensors"
        : "keep one of them",
  });
}

function shardedTensors(folder: string, index: string): StoredTensors {
  const map = readJsonObject(index).get("weight_map");
  if (!(map instanceof Map)) {
    throw checkpointError({
      place: index,
      message: "the index has no weight_map",
      expected: "tensor → file",
    });
  }
  const shards = new Map<string, StoredTensors>();
  const all = new Map<string, Constant>();
  for (const [name, shard] of map) {
    // Shards lie beside their index: anything else would let a model name any file of this machine.
    if (typeof shard !== "string" || basename(shard) !== shard || !WEIGHTS.test(shard)) {
      throw checkpointError({
        place: `${index}: ${name}`,
        message: "the index names a file that is no part of the model",
        expected: "diffusion_pytorch_model-00001-of-00003.safetensors or the like, in the same folder",
        found: typeof shard === "string" ? shard : "no file name",
      });
    }
    const file = join(folder, shard);
    if (!existsSync(file)) {
      throw checkpointError({
        place: file,
        message: "a part of the model is missing",
        expected: `the file that holds ${name}`,
        remedy: "download the missing file into the folder",
      });
    }
    const tensors = shards.get(shard) ?? storedTensors(file);
    shards.set(shard, tensors);
    const tensor = tensors.get(name);
    if (tensor === undefined) {
      throw checkpointError({
        place: file,
        message: "the file lacks a tensor that the index says it has",
        expected: name,
        found: someOf([...tensors.keys()]),
        remedy: "download index and parts again: they are of two versions",
      });
    }
    all.set(name, tensor);
  }
  for (const [shard, tensors] of shards) {
    const stranger = [...tensors.keys()].find((name) => !all.has(name));
    if (stranger === undefined) continue;
    throw checkpointError({
      place: join(folder, shard),
      message: "the file has a tensor that the index does not list",
      found: stranger,
      remedy: "download index and parts again: they are of two versions",
    });
  }
  return all;
}
