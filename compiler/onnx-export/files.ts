import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import onnxProto, { type onnx as Onnx } from "onnx-proto";
import { byteLength } from "../../ir/dtype.js";
import { countOf } from "../../ir/tensor.js";
import { describeSystemError } from "../system-errors.js";
import { irVersionOf, ONNX_TYPE } from "./format.js";
import type { OnnxGraph } from "./graph.js";
import { EXTERNAL_BYTES } from "./weights.js";
import type { Initializer } from "./writer.js";

/** Offsets in the data file are multiples of this: what systems map into memory. */
const ALIGNMENT = 4096;

export interface ModelContents {
  readonly name: string;
  readonly opset: number;
  readonly producerVersion: string;
  readonly graph: OnnxGraph;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface WrittenModel {
  readonly modelBytes: number;
  readonly dataBytes: number;
}

interface Placed {
  readonly initializer: Initializer;
  readonly bytes: number;
  /** In the data file; undefined for tensors in the model file. */
  readonly offset: number | undefined;
}

/** Where each tensor goes: known from the shapes alone. */
function place(initializers: readonly Initializer[]): readonly Placed[] {
  let end = 0;
  return initializers.map((initializer) => {
    const bytes = byteLength(initializer.dtype, countOf(initializer.dims));
    if (bytes < EXTERNAL_BYTES) return { initializer, bytes, offset: undefined };
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = offset + bytes;
    return { initializer, bytes, offset };
  });
}

/**
 * Writes `<file>` and, for its large tensors, `<file>_data`, neither of which may exist; both reach the disk. The data
 * come first: a model file stands for a complete model.
 */
export async function writeModelFiles(
  path: string,
  contents: ModelContents,
  options: WriteOptions = {},
): Promise<WrittenModel> {
  const placed = place(contents.graph.initializers);
  const external = placed.filter(({ offset }) => offset !== undefined);
  const dataPath = dataFileOf(path);
  let dataBytes = 0;
  if (external.length > 0) {
    await inNewFile(dataPath, async (file) => {
      for (const [i, { initializer, bytes, offset = 0 }] of external.entries()) {
        dataBytes = offset + bytes;
        await writeTensor(file, initializer, offset, bytes, options.signal);
        options.onProgress?.(i + 1, external.length);
      }
    });
  }
  options.signal?.throwIfAborted();
  const model = encode(contents, placed, basename(dataPath));
  await inNewFile(path, async (file) => {
    await file.writeFile(model);
  });
  return { modelBytes: model.length, dataBytes };
}

/** The data file of a model file. */
export function dataFileOf(path: string): string {
  return `${path}_data`;
}

async function writeTensor(
  file: FileHandle,
  { name, chunks }: Initializer,
  offset: number,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let at = offset;
  for (const chunk of chunks()) {
    signal?.throwIfAborted();
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done);
      done += bytesWritten;
    }
    at += chunk.length;
  }
  if (at !== offset + bytes) throw new Error(`${name}: ${at - offset} bytes instead of ${bytes}`);
}

async function inNewFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, "wx");
  try {
    await write(file);
    await file.sync();
  } catch (error) {
    throw describeSystemError(error, path) ?? error;
  } finally {
    await file.close();
  }
}

function encode(contents: ModelContents, placed: readonly Placed[], dataFile: string): Uint8Array {
  const { graph, name, opset, producerVersion } = contents;
  return onnxProto.onnx.ModelProto.encode({
    irVersion: irVersionOf(opset),
    producerName: PRODUCER,
    producerVersion,
    opsetImport: [{ domain: "", version: opset }],
    graph: {
      name,
      input: [...graph.inputs],
      output: [...graph.outputs],
      node: [...graph.nodes],
      initializer: placed.map((p) => tensorProto(p, dataFile)),
    },
  }).finish();
}

/** The producer that written files name. */
export const PRODUCER = "tritc";

/** `TensorProto.DataLocation` */
const EXTERNAL = 1;

function tensorProto({ initializer, bytes, offset }: Placed, dataFile: string): Onnx.ITensorProto {
  const { name, dtype, dims } = initializer;
  const proto = { name, dims: [...dims], dataType: ONNX_TYPE[dtype] };
  if (offset === undefined) return { ...proto, rawData: Buffer.concat([...initializer.chunks()]) };
  const entries = { location: dataFile, offset: `${offset}`, length: `${bytes}` };
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return { ...proto, dataLocation: EXTERNAL, externalData };
}
