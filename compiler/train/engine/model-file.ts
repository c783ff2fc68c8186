import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteReader } from "../../../ir/constant/constant.js";
import type { Graph, ValueId } from "../../../ir/graph/graph.js";
import { writeModelFiles } from "../../onnx-export/files.js";
import { lowestOpset } from "../../onnx-export/format.js";
import { type Port, writeGraph } from "../../onnx-export/graph.js";
import { describeSystemError } from "../../system-errors.js";
import { removeOnExit } from "../../temporary.js";
import { packageVersion } from "../../version.js";
import { type PortType, portDtype } from "./values.js";

/** Writes a graph as an ONNX file for as long as `open` reads it. */
export async function withModelFile<T>(
  graph: Graph,
  types: ReadonlyMap<ValueId, PortType>,
  reader: ByteReader,
  open: (path: string) => Promise<T>,
): Promise<T> {
  const ports = (ids: readonly ValueId[]): Port[] =>
    ids.flatMap((name) => {
      const type = types.get(name);
      return type === undefined ? [] : [{ name, dtype: portDtype(type.dtype), dims: type.shape }];
    });
  const form = "dequantized";
  const onnx = writeGraph(graph, {
    ...{ form, type: "f32", reader },
    ...{ inputs: ports(graph.inputs), outputs: ports(graph.outputs) },
  });
  const contents = {
    name: graph.name,
    opset: lowestOpset(form),
    producerVersion: packageVersion(),
    graph: onnx,
  };
  const folder = await mkdtemp(join(tmpdir(), "tritc-train-")).catch((error: unknown) => {
    throw describeSystemError(error, tmpdir()) ?? error;
  });
  const isGone = removeOnExit(folder);
  try {
    const path = join(folder, "step.onnx");
    await writeModelFiles(path, contents);
    return await open(path);
  } finally {
    // Weights in the file may stay mapped, which Windows does not let go of before the end.
    await rm(folder, { recursive: true, force: true }).then(isGone, () => undefined);
  }
}
