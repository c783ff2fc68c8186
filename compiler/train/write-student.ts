import { join } from "node:path";
import type { Graph } from "../../ir/graph/graph.js";
import { fileReader } from "../file-reader.js";
import { type WrittenModel, writeModelFiles } from "../onnx-export/files.js";
import { lowestOpset } from "../onnx-export/format.js";
import { writeGraph } from "../onnx-export/graph.js";
import type { Ports } from "../onnx-export/ports.js";
import { MODEL_FILE } from "../onnx-export/publish.js";
import { packageVersion } from "../version.js";
import { type Learned, onLearned } from "./learned.js";

/**
 * Writes what was learned into a folder as a model in ONNX: ternary weights as 4-bit codes with one scale a row, all else in
 * f32. Values are read from their files one by one.
 */
export async function writeStudent(
  folder: string,
  recognized: Graph,
  ports: Ports,
  learned: Learned,
  signal?: AbortSignal,
): Promise<WrittenModel> {
  const reader = fileReader();
  try {
    const student = onLearned(recognized, learned);
    const graph = writeGraph(student, { form: "4bit", type: "f32", reader, ...ports });
    const opset = lowestOpset("4bit");
    const contents = { name: student.name, opset, producerVersion: packageVersion(), graph };
    return await writeModelFiles(join(folder, MODEL_FILE), contents, { signal });
  } finally {
    reader.close();
  }
}
