import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  batchAxesOf,
  type Compiled,
  type CompileStages,
  compileGraph,
  recognize,
} from "../../compiler/compile-graph.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import type { ByteReader } from "../../ir/constant/constant.js";
import { decodeBytes } from "../../ir/constant/convert.js";
import { parseHeader } from "../../ir/format/safetensors.js";
import type { Graph } from "../../ir/graph/graph.js";
import { countOf, type Tensor } from "../../ir/tensor.js";

const MODELS = join(import.meta.dirname, "..", "models");

/** The tensors of a file below `test/models/`. */
export function givenTensors(file: string): Map<string, Tensor> {
  const path = join(MODELS, file);
  const bytes = new Uint8Array(readFileSync(path));
  const found = new Map<string, Tensor>();
  const { entries } = parseHeader(bytes, bytes.length, path);
  for (const { name, dtype, shape, offset, length } of entries.values()) {
    const data = decodeBytes(dtype, bytes.subarray(offset, offset + length), countOf(shape));
    found.set(name, { dtype, shape, data });
  }
  return found;
}

/** What recognition makes of an export: the same for all targets and options. */
const recognized = new Map<string, { readonly imported: Graph; readonly graph: Graph }>();

function recognizeGiven(folder: string, reader: ByteReader) {
  const known = recognized.get(folder);
  if (known !== undefined) return known;
  const imported = importOnnx(join(MODELS, folder, "model.onnx"));
  const added = { imported, graph: recognize(imported, reader) };
  recognized.set(folder, added);
  return added;
}

/** The kernels of the export in a folder below `test/models/`. */
export async function compileGiven(
  folder: string,
  reader: ByteReader,
  stages: Pick<CompileStages, "target" | "options" | "codegen" | "codes">,
): Promise<Compiled> {
  const { imported, graph } = recognizeGiven(folder, reader);
  return compileGraph(graph, reader, {
    ...stages,
    sizes: {},
    batchAxes: batchAxesOf(imported, graph),
  });
}
