import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import { fileKind, isWeightKind } from "../file-kind.js";
import { checkpointError, someOf } from "./errors.js";
import { ggufTensors } from "./gguf/tensors.js";
import { readJsonObject } from "./json-file.js";
import { namesOf, type StoredTensors, storedTensors } from "./tensors.js";

/** `<name>.safetensors.index.json`, or `.index.bf16.json` of a variant; the variant is the first group. */
const INDEX = /\.safetensors\.index(?:\.([\w-]+))?\.json$/;
const PART = /-\d{5}-of-\d{5}(?=\.)/;
/** What Diffusers calls the weights of its networks, and Transformers those of its own. */
export type WeightName = "diffusion_pytorch_model" | "model";

/**
 * The tensors of a network's folder: of the parts that its index names, or of its one weight file. Of several variants
 * the plain one is taken, the only one if there is no plain one. Throws TRITC_E_CHECKPOINT.
 */
export function folderTensors(folder: string, name: WeightName = "diffusion_pytorch_model"): StoredTensors {
  const plain = `${name}.safetensors`;
  const files = readdirSync(folder).sort();
  const indices = files.filter((name) => INDEX.test(name));
  const single = files.filter((name) => !PART.test(name) && isWeightFile(join(folder, name)));
  const plainIndex = indices.filter((name) => INDEX.exec(name)?.[1] === undefined);
  if (single.includes(plain) && plainIndex.length === 0) return tensorsOf(join(folder, plain));
  const candidates = plainIndex.length > 0 ? plainIndex : [...indices, ...single];
  const [chosen] = candidates;
  if (chosen !== undefined && candidates.length === 1) return tensorsOf(join(folder, chosen));
  throw checkpointError({
    place: folder,
    message:
      candidates.length === 0 ? "the folder has no weights" : "the folder has several variants of weights",
    expected: `${plain}, or its parts with ${plain}.index.json`,
    found: someOf(candidates.length === 0 ? files : candidates, 8) || "an empty folder",
    remedy:
      candidates.length === 0
        ? "download all of the folder; weights in .bin files must be saved again as safetensors"
        : "give the path of one of them, or keep one",
  });
}

/** The index that lists a part of a model that lies in several files, if the file is one and the index is there. */
export function indexOfPart(file: string): string | undefined {
  if (!PART.test(basename(file))) return undefined;
  const folder = dirname(file);
  return readdirSync(folder)
    .filter((name) => INDEX.test(name))
    .map((name) => join(folder, name))
    .find((index) => [...weightMap(index).values()].includes(basename(file)));
}

/** The tensors of a weight file, or of all the files of an index. */
export function tensorsOf(file: string): StoredTensors {
  if (INDEX.test(file)) return indexedTensors(file);
  return fileKind(file) === "GGUF file" ? ggufTensors(file) : storedTensors(file);
}

/** Whether a name is that of an index of weight files. */
export function isIndex(file: string): boolean {
  return INDEX.test(file);
}

/** Whether something at a path is a file that tensors can be read from, by its first bytes. */
export function isWeightFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true && isWeightKind(fileKind(file));
}

function weightMap(index: string): ReadonlyMap<string, unknown> {
  const map = readJsonObject(index).get("weight_map");
  if (map instanceof Map) return map;
  throw checkpointError({
    place: index,
    message: "the index has no weight_map",
    expected: "tensor → file",
  });
}

function indexedTensors(index: string): StoredTensors {
  const folder = dirname(index);
  const shards = new Map<string, StoredTensors>();
  const constants = new Map<string, Constant>();
  const unread = new Map<string, string>();
  const map = weightMap(index);
  for (const [name, shard] of map) {
    // Parts lie beside their index: anything else would let a model name any file of this machine.
    if (typeof shard !== "string" || basename(shard) !== shard || !/\.(safetensors|sft)$/.test(shard)) {
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
    const tensor = tensors.constants.get(name);
    const type = tensors.unread.get(name);
    if (tensor !== undefined) constants.set(name, tensor);
    else if (type !== undefined) unread.set(name, type);
    else {
      throw checkpointError({
        place: file,
        message: "the file lacks a tensor that the index says it has",
        expected: name,
        found: someOf([...namesOf(tensors)]),
        remedy: "download index and parts again: they are of two versions",
      });
    }
  }
  for (const [shard, tensors] of shards) {
    const stranger = [...namesOf(tensors)].find((name) => !map.has(name));
    if (stranger === undefined) continue;
    throw checkpointError({
      place: join(folder, shard),
      message: "the file has a tensor that the index does not list",
      found: stranger,
      remedy: "download index and parts again: they are of two versions",
    });
  }
  return { constants, unread };
}
