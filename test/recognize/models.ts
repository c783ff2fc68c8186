import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { recognize } from "../../compiler/compile-graph.js";
import { fileReader } from "../../compiler/file-reader.js";
import { importOnnx } from "../../compiler/onnx/index.js";
import { type Pass, UNLIMITED } from "../../compiler/pass.js";
import { canonicalize } from "../../compiler/passes/canonicalize.js";
import { foldConstants } from "../../compiler/passes/fold-constants.js";
import { runPasses } from "../../compiler/passes/run-passes.js";
import type { Graph, ValueId } from "../../ir/graph/graph.js";
import { interpret } from "../../ir/interpret/index.js";
import { allocate, type Tensor } from "../../ir/tensor.js";

export const reader = fileReader();

/** Batch axes bound to 1, as `compile` does. */
const BATCH = { batch_size: 1, step: 1 } as const;

export const context = {
  reader,
  options: { ternarize: "none", activations: "f32", bindings: BATCH, sizes: {}, limits: UNLIMITED },
} as const;

export const CANONICAL_PASSES: readonly Pass[] = [foldConstants, canonicalize];

const folder = mkdtempSync(join(tmpdir(), "tritc-recognize-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** Imports the bytes of a model through a file that lives as long as the process: constants are read late. */
export function importBytes(bytes: Uint8Array): Graph {
  const file = join(folder, `${files++}.onnx`);
  writeFileSync(file, bytes);
  return importOnnx(file);
}

export function canonical(graph: Graph): Graph {
  return runPasses(graph, CANONICAL_PASSES, context);
}

export function recognized(graph: Graph): Graph {
  return recognize(graph, reader);
}

export type NamedInput = {
  readonly type: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
};

export function tensorOf(input: NamedInput): Tensor {
  const dtype = input.type as Tensor["dtype"];
  const data = allocate(dtype, input.values.length);
  for (const [i, v] of input.values.entries()) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(v);
    else data[i] = v;
  }
  return { dtype, shape: input.dims, data };
}

export function run(graph: Graph, inputs: Readonly<Record<ValueId, NamedInput>>): Float64Array {
  const tensors = new Map(Object.entries(inputs).map(([name, input]) => [name, tensorOf(input)]));
  const result = interpret(graph, tensors, { reader }).get(graph.outputs[0] ?? "");
  return Float64Array.from(result?.data ?? [], Number);
}

/** A model in ONNX Runtime, for any number of runs. */
export async function openOrt(bytes: Uint8Array) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  return {
    async run(inputs: Readonly<Record<string, NamedInput>>): Promise<Float64Array> {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, toOrt(input)]));
      const results = await session.run(feeds);
      return Float64Array.from(results[session.outputNames[0] ?? ""]?.data as Float32Array);
    },
    release: () => session.release(),
  };
}

function toOrt({ type, dims, values }: NamedInput): ort.Tensor {
  if (type === "i64") return new ort.Tensor("int64", BigInt64Array.from(values.map(BigInt)), [...dims]);
  if (type === "i32") return new ort.Tensor("int32", Int32Array.from(values), [...dims]);
  return new ort.Tensor("float32", Float32Array.from(values), [...dims]);
}

export async function runOrt(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, NamedInput>>,
): Promise<Float64Array> {
  const model = await openOrt(bytes);
  try {
    return await model.run(inputs);
  } finally {
    await model.release();
  }
}

/** Largest difference, relative to the largest magnitude. */
export function deviation(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  const peak = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return a.reduce((m, v, i) => Math.max(m, Math.abs(v - (b[i] ?? Number.NaN))), 0) / peak;
}

/**
 * Frequency tables are rounded to f32 in the exports, so that an angle of 3500 (guidance 3.5) is known to
 * about 3e-4. Small conditioning values show that nothing else differs.
 */
export const CONDITIONINGS = [
  { conditioning: { timestep: 0.03, guidance: 0.02 }, tolerance: 1e-5 },
  { conditioning: { timestep: 0.875, guidance: 3.5 }, tolerance: 5e-5 },
] as const;
