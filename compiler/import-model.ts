import { statSync } from "node:fs";
import type { Graph } from "../ir/graph/graph.js";
import {
  findCheckpoint,
  findDiffusers,
  importCheckpoint,
  importDiffusers,
  isIndex,
} from "./checkpoint/index.js";
import { fileKind, isWeightKind, refuseKind } from "./file-kind.js";
import { interruptible } from "./interruptible.js";
import { findOnnx, importOnnx } from "./onnx/index.js";

/** Files that are called so are read as such, whatever they begin with: the reader says what is wrong with them. */
const SAFETENSORS_NAME = /\.(safetensors|sft)$/i;

/**
 * A model as a graph; no weight is read. `path` is an `.onnx` file or a folder with one, a folder in Diffusers' layout
 * (a pipeline or its `transformer/`), or a FLUX.1 checkpoint (safetensors or GGUF under any name, or the index of its parts). A
 * folder that has both is read as ONNX: exports keep the configuration they were made from.
 * Throws TRITC_E_FILE_KIND and the errors of `importOnnx` and `importDiffusers`.
 */
export function importModel(path: string): Graph {
  return interruptible(() => importAny(path));
}

function importAny(path: string): Graph {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return importFile(path);
  if (found?.isDirectory() === true && findOnnx(path) === undefined) {
    const folder = findDiffusers(path);
    if (folder !== undefined) return importDiffusers(folder);
    const checkpoint = findCheckpoint(path);
    if (checkpoint !== undefined) return importCheckpoint(checkpoint);
  }
  return importOnnx(path);
}

function importFile(file: string): Graph {
  if (isIndex(file)) return importCheckpoint(file);
  const kind = fileKind(file);
  if (isWeightKind(kind)) return importCheckpoint(file);
  if (!SAFETENSORS_NAME.test(file)) return importOnnx(file);
  refuseKind(file, kind, "safetensors or GGUF");
  return importCheckpoint(file);
}
