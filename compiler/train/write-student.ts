import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Constant } from "../../ir/constant/constant.js";
import type { Graph, Node, ValueId } from "../../ir/graph/graph.js";
import { fileReader } from "../file-reader.js";
import { type WrittenModel, writeModelFiles } from "../onnx-export/files.js";
import { lowestOpset } from "../onnx-export/format.js";
import { writeGraph } from "../onnx-export/graph.js";
import type { Ports } from "../onnx-export/ports.js";
import { MODEL_FILE } from "../onnx-export/publish.js";
import { packageVersion } from "../version.js";
import type { Engine } from "./engine/engine.js";
import type { Trained } from "./student.js";

/** Where the values are that were learned. */
export interface Learned {
  readonly trained: readonly Trained[];
  readonly engine: Engine;
}

/**
 * Writes what was learned into a folder as a model in ONNX: ternary weights as 4-bit codes with one scale a row, all else in
 * f32. Values leave the engine one by one and lie in a file beside until the model is complete.
 */
export async function writeStudent(
  folder: string,
  recognized: Graph,
  ports: Ports,
  learned: Learned,
  signal?: AbortSignal,
): Promise<WrittenModel> {
  const path = join(folder, "values.tmp");
  const file = await open(path, "wx");
  const reader = fileReader();
  try {
    const student = await studentGraph(recognized, learned, { path, file });
    const graph = writeGraph(student, { form: "4bit", type: "f32", reader, ...ports });
    const opset = lowestOpset("4bit");
    const contents = { name: student.name, opset, producerVersion: packageVersion(), graph };
    return await writeModelFiles(join(folder, MODEL_FILE), contents, { signal });
  } finally {
    reader.close();
    await file.close();
    await rm(path);
  }
}

/** The recognized graph on what was learned, which goes to the end of the file. */
async function studentGraph(
  recognized: Graph,
  { trained, engine }: Learned,
  into: { readonly path: string; readonly file: FileHandle },
): Promise<Graph> {
  let offset = 0;
  const constants = new Map(recognized.constants);
  const types = new Map(recognized.types);
  const keep = async (id: ValueId, dtype: "f32" | "i8", shape: readonly number[], data: ArrayBufferView) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await into.file.writeFile(bytes);
    const source = { kind: "file", file: into.path, offset, length: bytes.length } as const;
    offset += bytes.length;
    const constant: Constant = { dtype, shape, source };
    constants.set(id, constant);
    types.set(id, { dtype, shape });
  };
  const ternary = new Map<ValueId, { readonly codes: ValueId; readonly scales: ValueId }>();
  for (const { id, parameter, kind, shape } of trained) {
    const { data } = await engine.read(id);
    if (!(data instanceof Float32Array)) throw new Error(`${id} is not held as floats`);
    const names = { codes: `${parameter.id}.codes`, scales: `${parameter.id}.scales` };
    if (kind === "latent") {
      ternary.set(parameter.id, names);
      await keep(names.codes, "i8", shape, codesOf(data));
    } else await keep(kind === "scale" ? names.scales : parameter.id, "f32", shape, data);
  }
  const nodes = recognized.nodes.map((node): Node => {
    if (node.op !== "linear") return node;
    const [x = null, weight, ...rest] = node.inputs;
    const found = typeof weight === "string" ? ternary.get(weight) : undefined;
    if (found === undefined) return node;
    const inputs = [x, found.codes, found.scales, ...rest];
    return { ...node, op: "ternary-linear", inputs, attrs: { ...node.attrs, quantized: false } };
  });
  return { ...recognized, constants, types, nodes };
}

/** clip(round(u), −1, 1), half to even as in training: ±.5 is 0. */
function codesOf(latent: Float32Array): Int8Array {
  return Int8Array.from(latent, (u) => (Math.abs(u) > 0.5 ? Math.sign(u) : 0));
}
