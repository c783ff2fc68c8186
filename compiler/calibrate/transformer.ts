import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { evaluateDim } from "../../ir/dim.js";
import { dtypeOf, type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { SampleInputs } from "../../ir/models/family.js";
import { familyOf, type ModelDescription, roleOf } from "../../ir/models/index.js";
import { type HostTensor, openOrtSession } from "../../runtime/node/ort-session.js";
import { isBatchFree } from "../onnx-export/batch.js";
import { type WriteOptions, writeModelFiles } from "../onnx-export/files.js";
import { lowestOpset } from "../onnx-export/format.js";
import { type Port, writeGraph } from "../onnx-export/graph.js";
import type { Initializer } from "../onnx-export/writer.js";
import { packageVersion } from "../version.js";

/** What the model is asked at one noise level. */
export type Query = SampleInputs<ModelDescription>;

/** A full-precision transformer in ONNX Runtime, for any number of samples at once. */
export interface Transformer {
  /** What the model predicts for each of several samples of one size. */
  velocities(queries: readonly Query[]): Promise<readonly Float32Array[]>;
  close(): Promise<void>;
}

/** A recognized graph, and where in its inputs and outputs samples of a batch run along. */
export interface BatchedGraph {
  readonly graph: Graph;
  readonly batchAxes: ReadonlyMap<ValueId, number | null>;
}

/** Such a graph as a file for ONNX Runtime. */
export interface WrittenTransformer extends BatchedGraph {
  readonly file: string;
  /** SHA-256 of its weights. */
  readonly source: string;
  /** Whether it takes several samples at once. */
  readonly takesBatches: boolean;
}

/** Writes a recognized graph as an ONNX file whose axis of samples is free. */
export async function writeTransformer(
  { graph, batchAxes }: BatchedGraph,
  folder: string,
  { reader, ...options }: WriteOptions & { readonly reader: ByteReader },
): Promise<WrittenTransformer> {
  const takesBatches = isBatchFree(graph);
  const port = (name: ValueId): Port => ({
    name,
    dtype: dtypeOf(graph, name),
    dims: shapeOf(graph, name).map((dim, axis) => {
      if (takesBatches && batchAxes.get(name) === axis) return "batch";
      return typeof dim === "number" ? dim : null;
    }),
  });
  const [inputs, outputs] = [graph.inputs.map(port), graph.outputs.map(port)];
  const onnx = writeGraph(graph, { form: "dequantized", type: "f32", reader, inputs, outputs });
  const hash = createHash("sha256");
  const hashed = (tensor: Initializer): Initializer => ({
    ...tensor,
    *chunks() {
      hash.update(`${tensor.name} ${tensor.dtype}[${tensor.dims.join(",")}]\n`);
      for (const chunk of tensor.chunks()) {
        hash.update(chunk);
        yield chunk;
      }
    },
  });
  const file = join(folder, "model.onnx");
  const contents = {
    name: graph.name,
    opset: lowestOpset("dequantized"),
    producerVersion: packageVersion(),
    graph: { ...onnx, initializers: onnx.initializers.map(hashed) },
  };
  await writeModelFiles(file, contents, options);
  return { file, source: hash.digest("hex"), takesBatches, graph, batchAxes };
}

export async function openTransformer(
  { file, graph, batchAxes }: WrittenTransformer,
  threads?: number,
): Promise<Transformer> {
  const { model } = graph;
  if (model === undefined) throw new Error("only a recognized model is sampled");
  const session = await openOrtSession(file, { threads });
  return {
    async velocities(queries) {
      const values = queries.map((query) => familyOf(model).values(query));
      const [first] = queries;
      const feeds = graph.inputs.map((id): [string, HostTensor] => {
        const role = roleOf(model, id);
        if (role === null || first === undefined) throw new Error(`no value for ${id}`);
        const bindings = { img_tokens: first.geometry.imageTokens, txt_tokens: first.contextTokens };
        const shape = shapeOf(graph, id).map((dim) => evaluateDim(dim, bindings));
        const [one, ...others] = values.map((value) => value[role]);
        if (one === undefined || batchAxes.get(id) !== 0)
          return [id, { data: one ?? new Float32Array(), shape }];
        return [id, { data: concat([one, ...others]), shape: [queries.length, ...shape.slice(1)] }];
      });
      const [velocity] = (await session.run(Object.fromEntries(feeds))).values();
      if (velocity === undefined) throw new Error("no velocity came back");
      const size = velocity.data.length / queries.length;
      return queries.map((_, i) => velocity.data.subarray(i * size, (i + 1) * size));
    },
    close: () => session.close(),
  };
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((count, part) => count + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
