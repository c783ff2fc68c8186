import { statSync } from "node:fs";
import type { Graph } from "../ir/graph/graph.js";
import { findDiffusers, importCheckpoint, importDiffusers } from "./diffusers/index.js";
import { findOnnx, importOnnx } from "./onnx/index.js";

/**
 * A model as a graph; no weight is read. `path` is an `.onnx` file or a folder with one, a folder in Diffusers' layout
 * (a pipeline or its `transformer/`), or an original FLUX.1 checkpoint (`.safetensors`). A folder that has both is
 * read as ONNX: exports keep the configuration they were made from.
 * Throws the errors of `importOnnx` and `importDiffusers`.
 */
export function importModel(path: string): Graph {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true && path.endsWith(".safetensors")) return importCheckpoint(path);
  if (found?.isDirectory() === true && findOnnx(path) === undefined) {
    const folder = findDiffusers(path);
    if (folder !== undefined) return importDiffusers(folder);
  }
  return importOnnx(path);
}
