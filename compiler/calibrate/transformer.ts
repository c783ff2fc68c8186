import { join } from "node:path";
import type { ByteReader } from "../../ir/constant/constant.js";
import { evaluateDim } from "../../ir/dim.js";
import { dtypeOf, type Graph, shapeOf, type ValueId } from "../../ir/graph/graph.js";
import type { SampleInputs } from "../../ir/models/family.js";
import { type ModelDescription, roleOf, valuesOf } from "../../ir/models/index.js";
import { countOf } from "../../ir/tensor.js";
import { openOrtSession } from "../../runtime/node/ort-session.js";
import type { HostTensor } from "../../runtime/pipeline/network.js";
import type { TwoPasses } from "../../runtime/sample-inputs.js";
import type { MomentSums } from "../calibration/moments.js";
import { isBatchFree } from "../onnx-export/batch.js";
import { type WriteOptions, writeModelFiles } from "../onnx-export/files.js";
import { lowestOpset } from "../onnx-export/format.js";
import { type Port, writeGraph } from "../onnx-export/graph.js";
import { inSingle } from "../rewrite/in-single.js";
import { packageVersion } from "../version.js";
import { type LinearInput, linearInputs, type Sum, sumsOf, WEIGHT, withMoments } from "./moments-graph.js";

/** What the model is asked at one noise level. */
export interface Query extends SampleInputs<ModelDescription> {
  /** For a model that is guided by two passes. */
  readonly twoPasses?: TwoPasses;
}

/** A full-precision transformer in ONNX Runtime, for any number of samples at once. */
export interface Transformer {
  /**
   * What the model predicts for each of several samples of one size. `weight` is what the inputs of its linear layers count
   * in their moments, where these are taken.
   */
  velocities(queries: readonly Query[], weight?: number): Promise<readonly Float32Array[]>;
  /** The moments of an input of linear layers since they were last taken. */
  takeMoments(input: LinearInput): Promise<MomentSums>;
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
  /** Whether it takes several samples at once. */
  readonly takesBatches: boolean;
  /** What moments are taken of. */
  readonly linearInputs: readonly LinearInput[];
}

export interface WriteTransformerOptions extends WriteOptions {
  readonly reader: ByteReader;
  /** Whether to sum up moments of what the blocks' linear layers read. */
  readonly moments?: boolean | undefined;
}

/** Writes a recognized graph as an ONNX file whose axis of samples is free, and which computes in f32. */
export async function writeTransformer(
  { graph: recognized, batchAxes }: BatchedGraph,
  folder: string,
  { reader, moments = false, ...options }: WriteTransformerOptions,
): Promise<WrittenTransformer> {
  const graph = inSingle(recognized);
  const takesBatches = isBatchFree(graph);
  const port = (name: ValueId): Port => ({
    name,
    dtype: dtypeOf(graph, name),
    dims: shapeOf(graph, name).map((dim, axis) => {
      if (takesBatches && batchAxes.get(name) === axis) return "batch";
      return typeof dim === "number" ? dim : null;
    }),
  });
  const read = moments ? linearInputs(graph) : [];
  const outputs = [...graph.outputs, ...read.map(({ id }) => id)];
  const plain = writeGraph(
    { ...graph, outputs },
    {
      ...{ form: "dequantized", type: "f32", reader },
      ...{ inputs: graph.inputs.map(port), outputs: outputs.map(port) },
    },
  );
  const file = join(folder, "model.onnx");
  const contents = {
    name: graph.name,
    opset: lowestOpset("dequantized"),
    producerVersion: packageVersion(),
    graph: moments ? withMoments(plain, read) : plain,
  };
  await writeModelFiles(file, contents, options);
  return { file, takesBatches, graph, batchAxes, linearInputs: read };
}

export async function openTransformer(
  { file, graph, batchAxes, linearInputs: read }: WrittenTransformer,
  threads?: number,
): Promise<Transformer> {
  const { model } = graph;
  if (model === undefined) throw new Error("only a recognized model is sampled");
  const session = await openOrtSession(file, { threads });
  const clear = ({ before, after, shape }: Sum) =>
    session.hold(before, { data: new Float32Array(countOf(shape)), shape }, after);
  for (const input of read) for (const sum of Object.values(sumsOf(input))) await clear(sum);
  const alike = async (queries: readonly Query[], weight: number) => {
    const values = queries.map((query) => valuesOf(query));
    const [first] = queries;
    const feeds = graph.inputs.map((id): [string, HostTensor] => {
      const role = roleOf(model, id);
      if (role === null || first === undefined) throw new Error(`no value for ${id}`);
      const bindings = { img_tokens: first.geometry.imageTokens, txt_tokens: first.contextTokens };
      const shape = shapeOf(graph, id).map((dim) => evaluateDim(dim, bindings));
      const [one, ...others] = values.map((value) => value(role));
      if (one === undefined || batchAxes.get(id) !== 0)
        return [id, { data: one ?? new Float32Array(), shape }];
      return [id, { data: concat([one, ...others]), shape: [queries.length, ...shape.slice(1)] }];
    });
    if (read.length > 0) feeds.push([WEIGHT, { data: Float32Array.of(weight), shape: [1] }]);
    const [velocity] = (await session.run(Object.fromEntries(feeds))).values();
    if (velocity === undefined) throw new Error("no velocity came back");
    const size = velocity.data.length / queries.length;
    return queries.map((_, i) => velocity.data.subarray(i * size, (i + 1) * size));
  };
  return {
    velocities: (queries, weight = 0) => byLength(queries, (some) => alike(some, weight)),
    async takeMoments(input) {
      const { second, first } = sumsOf(input);
      const take = async (sum: Sum) => {
        const { data } = await session.read(sum.before);
        await clear(sum);
        return data;
      };
      return { second: await take(second), first: await take(first) };
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

/** What is asked for queries whose texts have one length, for queries with any. */
async function byLength(
  queries: readonly Query[],
  ask: (alike: readonly Query[]) => Promise<readonly Float32Array[]>,
): Promise<readonly Float32Array[]> {
  const found = new Map<Query, Float32Array>();
  for (const length of new Set(queries.map(({ contextTokens }) => contextTokens))) {
    const alike = queries.filter(({ contextTokens }) => contextTokens === length);
    const answers = await ask(alike);
    for (const [i, query] of alike.entries()) found.set(query, answers[i] ?? new Float32Array());
  }
  return queries.map((query) => found.get(query) ?? new Float32Array());
}
